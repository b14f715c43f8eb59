// The discrete Fourier transform of complex numbers, in place; sizes are powers of two. Nothing is allocated in a transform.

export class Fft {
  private readonly cosines: Float64Array;
  private readonly sines: Float64Array;
  private readonly reversed: Uint32Array;

  constructor(private readonly size: number) {
    const bits = Math.log2(size);
    this.cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sines = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.reversed = new Uint32Array(size);
    for (let i = 0; i < size; i++) {
      let from = i;
      let to = 0;
      for (let bit = 0; bit < bits; bit++) {
        to = (to << 1) | (from & 1);
        from >>= 1;
      }
      this.reversed[i] = to;
    }
  }

  transform(real: Float64Array, imaginary: Float64Array): void {
    const { size, cosines, sines, reversed } = this;
    for (let i = 0; i < size; i++) {
      const j = reversed[i] as number;
      if (j <= i) continue;
      const r = real[i] as number;
      const m = imaginary[i] as number;
      real[i] = real[j] as number;
      imaginary[i] = imaginary[j] as number;
      real[j] = r;
      imaginary[j] = m;
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const c = cosines[k * stride] as number;
          const s = sines[k * stride] as number;
          const upper = start + k;
          const lower = upper + half;
          const lr = real[lower] as number;
          const li = imaginary[lower] as number;
          const r = lr * c - li * s;
          const m = lr * s + li * c;
          real[lower] = (real[upper] as number) - r;
          imaginary[lower] = (imaginary[upper] as number) - m;
          real[upper] = (real[upper] as number) + r;
          imaginary[upper] = (imaginary[upper] as number) + m;
        }
      }
    }
  }
}
