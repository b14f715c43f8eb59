// A gain per frame that gives a voice the loudness that it was asked for; components/synths/level.py explains it.

import type { Controls } from "./controls";
import type { Header } from "./model";
import { aWeighting } from "./weighting";

const SAMPLE_RATE_HZ = 16_000; // of the training
const FLOOR_POWER = 1e-8; // loudness.py: -80 dB
const SMALLEST_POWER = 1e-20;
const HANN_POWER = 3 / 8;
const WHITE_POWER = 1 / 3;

export class Level {
  private readonly weighted: boolean;
  private readonly scale: number; // from mean power to the power of the definition
  private readonly largest: number; // gain
  private readonly bands: Float32Array; // weights of the noise's bands
  private readonly angles: Float32Array; // of the partials of a table at its points, in turns: cosine, sine

  constructor({ level }: Header, bands: number, points: number) {
    this.weighted = level.a_weighted;
    const size = level.window_samples;
    this.scale = this.weighted ? (size * size * HANN_POWER) / 2 / (size / 2 + 1) : 1;
    this.largest = 10 ** (level.limit_db / 20);
    this.bands = Float32Array.from({ length: bands }, (_, b) => this.weight((b / (bands - 1)) * (SAMPLE_RATE_HZ / 2)));
    this.angles = new Float32Array(2 * points);
    for (let i = 0; i < points; i++) {
      this.angles[2 * i] = Math.cos((2 * Math.PI * i) / points);
      this.angles[2 * i + 1] = Math.sin((2 * Math.PI * i) / points);
    }
  }

  /** Corrects the level of a voice's controls. `pairs`: whether the partials are sines and then cosines. */
  correct(to: Controls, loudnessDb: number, free: boolean, pairs: boolean): void {
    if (this.largest === 1) return;
    const wanted = Math.max(10 ** (loudnessDb / 10) - FLOOR_POWER, 0);
    const tone = to.table.length ? this.ofTable(to) : this.ofPartials(to, free, pairs);
    const played = this.scale * (tone + this.ofNoise(to.magnitudes));
    const gain = Math.sqrt(wanted / (played + SMALLEST_POWER));
    const limited = Math.min(Math.max(gain, 1 / this.largest), this.largest);
    to.amplitude *= limited;
    for (let k = 0; k < to.partials.length; k++) to.partials[k] = (to.partials[k] as number) * limited;
    for (let b = 0; b < to.magnitudes.length; b++) to.magnitudes[b] = (to.magnitudes[b] as number) * limited;
  }

  private weight(hz: number): number {
    return this.weighted ? aWeighting(hz) : 1;
  }

  private ofPartials(to: Controls, free: boolean, pairs: boolean): number {
    const { partials, frequenciesHz, f0Hz } = to;
    const count = pairs ? partials.length / 2 : partials.length;
    let power = 0;
    for (let k = 0; k < count; k++) {
      const hz = free ? (frequenciesHz[k] as number) : (k + 1) * f0Hz;
      if (hz >= SAMPLE_RATE_HZ / 2) continue;
      const [sine, cosine] = [partials[k] as number, pairs ? (partials[count + k] as number) : 0];
      power += this.weight(hz) * (sine * sine + cosine * cosine);
    }
    return power / 2;
  }

  private ofTable({ table, f0Hz, amplitude }: Controls): number {
    const { angles } = this;
    const points = table.length;
    let power = 0;
    for (let k = 1; 2 * k < points && k * f0Hz < SAMPLE_RATE_HZ / 2; k++) {
      let [sine, cosine] = [0, 0];
      for (let i = 0; i < points; i++) {
        const at = 2 * ((k * i) % points);
        cosine += (table[i] as number) * (angles[at] as number);
        sine += (table[i] as number) * (angles[at + 1] as number);
      }
      power += this.weight(k * f0Hz) * (sine * sine + cosine * cosine);
    }
    return (power * (2 / points) ** 2 * amplitude * amplitude) / 2;
  }

  private ofNoise(magnitudes: Float32Array): number {
    const last = magnitudes.length - 1;
    let power = 0;
    for (let b = 0; b <= last; b++) {
      const before = magnitudes[b ? b - 1 : 1] as number;
      const after = magnitudes[b < last ? b + 1 : last - 1] as number;
      const response = (before + 2 * (magnitudes[b] as number) + after) / 4;
      power += (this.bands[b] as number) * response * response;
    }
    return (WHITE_POWER * power) / magnitudes.length;
  }
}
