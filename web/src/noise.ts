// Filtered noise at any sample rate: white noise, filtered frame by frame with the impulse response of the magnitudes.
//
// ddsp's core.frequency_filter at 16 kHz, continued to other rates: the windowed impulse response is evaluated at the
// samples of the device, so the noise keeps its spectrum up to 8 kHz and has none above.

import type { Block, Kernel } from "./kernel";

const SAMPLE_RATE_HZ = 16_000; // of the training

const quad = (size: number) => 4 * Math.ceil(size / 4);

/** Returns the samples by which the noise is late at a sample rate. */
export function noiseDelay(bands: number, rate: number): number {
  const length = 2 * (bands - 1);
  return Math.round(((Math.floor((length - 1) / 2) - 1) * rate) / SAMPLE_RATE_HZ);
}

export class Noise {
  /** Replaces the random numbers, for tests: fills an array with white noise in -1..1. */
  source: ((to: Float32Array) => void) | null = null;
  private readonly toResponse: Block;
  private readonly zeros: Block;
  private readonly response: Block;
  private readonly white: Block;
  private readonly sum: Block;
  private readonly taps: number;
  private readonly columns: number;
  private samples = 0;
  private seed = 0x1f123bb5;

  constructor(
    private readonly kernel: Kernel,
    bands: number,
    rate: number,
    private readonly longest: number,
  ) {
    const length = 2 * (bands - 1);
    const ratio = rate / SAMPLE_RATE_HZ;
    const delay = noiseDelay(bands, rate);
    const late = Math.floor((length - 1) / 2) - 1 - length / 2; // of the response's centre, in samples at 16 kHz
    this.taps = quad(delay + Math.ceil((length / 2 + 2) * ratio) + 1);
    this.columns = quad(bands);
    this.toResponse = kernel.reserve(this.taps * this.columns);
    this.zeros = kernel.reserve(this.taps);
    this.response = kernel.reserve(this.taps);
    this.white = kernel.reserve(longest);
    this.sum = kernel.reserve(2 * longest + this.taps);
    for (let tap = 0; tap < this.taps; tap++) {
      const time = (tap - delay) / ratio + late;
      if (Math.abs(time) > length / 2) continue;
      const window = (0.5 + 0.5 * Math.cos((2 * Math.PI * time) / length)) / (length * Math.sqrt(ratio));
      for (let band = 0; band < bands; band++) {
        const twice = band === 0 || band === bands - 1 ? 1 : 2;
        this.toResponse.values[tap * this.columns + band] =
          twice * Math.cos((2 * Math.PI * band * time) / length) * window;
      }
    }
  }

  /** Begins a frame of some samples, at most `longest`. */
  begin(samples: number): void {
    this.kernel.run.shift(this.sum.address, this.samples, this.longest + this.taps);
    this.samples = samples;
  }

  /** Adds a voice's noise to the frame. */
  add(magnitudes: Block): void {
    const { run } = this.kernel;
    const { response, white, samples } = this;
    const bytes = 4 * this.columns;
    run.dense(
      response.address,
      magnitudes.address,
      this.toResponse.address,
      this.zeros.address,
      this.taps,
      this.columns,
      1,
      bytes,
      bytes,
    );
    if (this.source) this.source(white.values.subarray(0, samples));
    else this.seed = run.whiteNoise(white.address, samples, this.seed);
    run.convolve(this.sum.address, white.address, samples, response.address, this.taps);
  }

  /** The noise of the frame, which `noiseDelay` samples late. */
  get audio(): Float32Array {
    return this.sum.values;
  }
}
