// Pitch and loudness of a sound at 16 kHz, 250 frames a second: what the models take instead of keys.
//
// The pitch is YIN (de Cheveigné and Kawahara 2002), with the difference function from a correlation by FFT, and refined
// at a multiple of the period. Loudness has the two definitions of components/synths/loudness.py.

import { Fft } from "./fft";
import { aWeighting } from "./weighting";

export const RATE_HZ = 16_000;
export const HOP = 64;
const SIZE = 2048;
const THRESHOLD = 0.15;
const LAST_THRESHOLD = 0.4; // of the best period where none is below THRESHOLD
const FLOOR_DB = -80;
const SHORTEST_LAG = 6; // 2.7 kHz

export interface Pitch {
  f0Hz: number; // 0 where there is none
  confidence: number; // 0..1
}

export class PitchTracker {
  /** The samples that `track` reads. */
  readonly needed: number;
  private readonly fft = new Fft(SIZE);
  private readonly real = new Float64Array(SIZE);
  private readonly imaginary = new Float64Array(SIZE);
  private readonly difference: Float64Array;
  private readonly result: Pitch = { f0Hz: 0, confidence: 0 };

  /** Takes the length of the compared parts and the longest period, in samples. */
  constructor(
    private readonly window: number,
    private readonly longestLag: number,
  ) {
    this.needed = window + longestLag;
    this.difference = new Float64Array(longestLag + 1);
  }

  /** The sample of `needed` at which the pitch is measured. */
  get centre(): number {
    return this.window / 2 + this.longestLag / 4;
  }

  /** Tracks one frame; the result is overwritten by the next one. */
  track(samples: Float32Array, start: number): Pitch {
    const { result } = this;
    result.f0Hz = 0;
    result.confidence = 0;
    if (!this.correlate(samples, start)) return result;
    const lag = this.firstDip();
    if (lag === 0) return result;
    result.confidence = 1 - (this.difference[lag] as number);
    result.f0Hz = RATE_HZ / this.refined(lag);
    return result;
  }

  /** Computes the normalised difference function; returns whether there is any sound. */
  private correlate(samples: Float32Array, start: number): boolean {
    const { real, imaginary, window, longestLag, difference } = this;
    let mean = 0;
    for (let j = 0; j < this.needed; j++) mean += samples[start + j] as number;
    mean /= this.needed;
    let energy = 0;
    for (let j = 0; j < SIZE; j++) {
      const value = j < this.needed ? (samples[start + j] as number) - mean : 0;
      imaginary[j] = value;
      real[j] = j < window ? value : 0;
      if (j < window) energy += value * value;
    }
    if (energy < 1e-7) return false;
    this.fft.transform(real, imaginary);
    this.multiply();
    this.fft.transform(imaginary, real); // swapped: the inverse, times SIZE
    let shifted = energy;
    let sum = 0;
    difference[0] = 1;
    for (let lag = 1; lag <= longestLag; lag++) {
      const out = (samples[start + lag - 1] as number) - mean;
      const into = (samples[start + lag - 1 + window] as number) - mean;
      shifted += into * into - out * out;
      const d = Math.max(0, energy + shifted - (2 * (real[lag] as number)) / SIZE);
      sum += d;
      difference[lag] = sum > 0 ? (d * lag) / sum : 1;
    }
    return true;
  }

  /** Turns the spectrum of a + ib into that of the correlation of the real signals a and b. */
  private multiply(): void {
    const { real, imaginary } = this;
    for (let k = 0; k <= SIZE / 2; k++) {
      const m = (SIZE - k) % SIZE;
      const zr = real[k] as number;
      const zi = imaginary[k] as number;
      const yr = real[m] as number;
      const yi = imaginary[m] as number;
      const ar = (zr + yr) / 2;
      const ai = (zi - yi) / 2;
      const br = (zi + yi) / 2;
      const bi = (yr - zr) / 2;
      const cr = ar * br + ai * bi;
      const ci = ar * bi - ai * br;
      real[k] = cr;
      imaginary[k] = ci;
      real[m] = cr;
      imaginary[m] = -ci;
    }
  }

  /** The first period whose difference is small, or the best one; 0 where none is good. */
  private firstDip(): number {
    const { difference, longestLag } = this;
    let best = 0;
    for (let lag = SHORTEST_LAG; lag < longestLag; lag++) {
      const d = difference[lag] as number;
      const isDip = d <= (difference[lag - 1] as number) && d < (difference[lag + 1] as number);
      if (!isDip) continue;
      if (d < THRESHOLD) return lag;
      if (best === 0 || d < (difference[best] as number)) best = lag;
    }
    return best > 0 && (difference[best] as number) < LAST_THRESHOLD ? best : 0;
  }

  /** The period in fractions of a sample, from the longest multiple of it that fits. */
  private refined(lag: number): number {
    let period = this.vertex(lag);
    const level = Math.max(THRESHOLD, 1.5 * (this.difference[lag] as number));
    for (let multiple = 2; multiple * period < this.longestLag - 2 && multiple <= 16; multiple++) {
      let near = Math.round(multiple * period);
      const before = this.difference[near - 1] as number;
      const at = this.difference[near] as number;
      const after = this.difference[near + 1] as number;
      if (before < at && before < after) near -= 1;
      else if (after < at) near += 1;
      if ((this.difference[near] as number) > level) break;
      period = this.vertex(near) / multiple;
    }
    return period;
  }

  /** The minimum of the parabola through three points. */
  private vertex(lag: number): number {
    const a = this.difference[lag - 1] ?? 1;
    const b = this.difference[lag] ?? 1;
    const c = this.difference[lag + 1] ?? 1;
    const curvature = a - 2 * b + c;
    return curvature > 0 ? lag + Math.max(-1, Math.min(1, (a - c) / (2 * curvature))) : lag;
  }
}

export class LoudnessMeter {
  /** Length of the window, in samples; it is centred on the measured sample. */
  readonly window: number;
  private readonly fft: Fft | null;
  private readonly real: Float64Array;
  private readonly imaginary: Float64Array;
  private readonly shape: Float64Array;
  private readonly weights: Float64Array;

  constructor(definition: string) {
    const power = definition === "ddsp-3.7-power";
    this.window = power ? 1024 : 512;
    this.fft = power ? null : new Fft(this.window);
    this.real = new Float64Array(this.window);
    this.imaginary = new Float64Array(this.window);
    this.shape = Float64Array.from(
      { length: this.window },
      (_, j) => 0.5 - 0.5 * Math.cos((2 * Math.PI * j) / this.window),
    );
    this.weights = Float64Array.from({ length: this.window / 2 + 1 }, (_, k) =>
      aWeighting((k * RATE_HZ) / this.window),
    );
  }

  /** The loudness in dB of `window` samples. */
  measure(samples: Float32Array, start: number): number {
    const { fft, real, imaginary, shape, weights, window } = this;
    let power = 0;
    if (fft) {
      for (let j = 0; j < window; j++) {
        real[j] = (samples[start + j] as number) * (shape[j] as number);
        imaginary[j] = 0;
      }
      fft.transform(real, imaginary);
      for (let k = 0; k < weights.length; k++)
        power += ((real[k] as number) ** 2 + (imaginary[k] as number) ** 2) * (weights[k] as number);
      power /= weights.length;
    } else {
      for (let j = 0; j < window; j++) power += (samples[start + j] as number) ** 2;
      power /= window;
    }
    return Math.max(FLOOR_DB, 10 * Math.log10(power + 1e-20));
  }
}
