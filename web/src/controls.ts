// From the network's outputs to the controls of the synthesizer, as the layers of components/synths scale them.

import { Level } from "./level";
import type { CriticalBands, ExpSigmoid, Model, Scale, Tone } from "./model";

const SAMPLE_RATE_HZ = 16_000; // of the training
const LOWEST_F0_HZ = 20; // of partials.py
const SMALLEST_POWER = 1e-4; // of a table; scaling.py
const SMALLEST_MIXTURE_POWER = 1e-8; // dictionary.py

/**
 * The controls of one frame of a voice. `partials` are the amplitudes of the harmonics or of the sinusoids; of a mixture
 * of wavetables those of the sines and then of the cosines.
 */
export interface Controls {
  sounding: boolean;
  f0Hz: number;
  amplitude: number;
  partials: Float32Array;
  frequenciesHz: Float32Array;
  table: Float32Array;
  magnitudes: Float32Array;
}

function expSigmoid(x: number, scale: ExpSigmoid, power: number): number {
  return scale.max_value * (1 / (1 + Math.exp(-(x + scale.bias)))) ** power + scale.threshold;
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const softLimit = (x: number, low: number, high: number) => softplus(x) + low - softplus(x - (high - low));

/** Math.round rounds halves up; TensorFlow rounds them to even. */
function roundEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

export class Scaler {
  private readonly tone: Tone;
  private readonly noise: Scale;
  private readonly first: number; // of the tone's first output: amplitudes
  private readonly second: number; // distribution, frequencies or table
  private readonly third: number; // noise magnitudes
  readonly partials: number;
  readonly harmonics: number;
  readonly cosines: boolean;
  private readonly dictionary: [sines: Float32Array, cosines: Float32Array] | null = null;
  private readonly shares: Float32Array;
  readonly points: number;
  readonly free: boolean; // whether the partials have frequencies of their own
  readonly bands: number;
  private readonly level: Level;

  constructor({ header, arrays }: Model) {
    this.tone = header.tone;
    this.noise = header.noise;
    const place = (name: string): [start: number, size: number] => {
      let start = 0;
      for (const [output, size] of header.outputs) {
        if (output === name) return [start, size];
        start += size;
      }
      throw new Error(`the model has no output '${name}'`);
    };
    const [first, size] = place(header.tone_outputs[0] as string);
    const [second, width] = place(header.tone_outputs[1] as string);
    const [third, bands] = place("noise_magnitudes");
    this.first = first;
    this.second = second;
    this.third = third;
    this.bands = bands;
    const { tone } = header;
    const mixes = tone.synth === "wavetable" && tone.table === "dictionary";
    if (mixes) {
      const [sines, cosines] = [arrays.get("dictionary.sines"), arrays.get("dictionary.cosines")];
      if (!sines || !cosines) throw new Error("the model has no dictionary of wavetables");
      this.dictionary = [sines, cosines];
    }
    this.free = tone.synth === "sinusoidal";
    this.cosines = mixes;
    this.shares = new Float32Array(width);
    this.points = tone.synth === "wavetable" && !mixes ? width : 0;
    this.harmonics = mixes ? tone.partials : tone.synth === "harmonic" ? width : 0;
    this.partials = this.free ? size : this.harmonics * (mixes ? 2 : 1);
    this.level = new Level(header, bands, this.points);
  }

  /** Scales a voice's outputs, which begin at an index of `outputs`, to the loudness that it was asked for. */
  scale(outputs: Float32Array, start: number, f0Hz: number, loudnessDb: number, to: Controls): void {
    const { tone } = this;
    to.sounding = true;
    to.f0Hz = f0Hz;
    this.levels(outputs, start + this.third, to.magnitudes, this.noise);
    if (tone.synth === "harmonic") this.harmonic(outputs, start, f0Hz, to, tone.amplitude, tone.below_nyquist);
    else if (tone.synth === "wavetable" && tone.table === "dictionary")
      this.mixture(outputs, start, f0Hz, to, tone.amplitude);
    else if (tone.synth === "wavetable") this.wavetable(outputs, start, to, tone.amplitude, tone.table);
    else this.sinusoidal(outputs, start, f0Hz, to, tone);
    this.level.correct(to, loudnessDb, this.free, this.cosines);
  }

  private levels(outputs: Float32Array, start: number, to: Float32Array, scale: Scale): void {
    const power = scale ? Math.log(scale.exponent) : 0;
    for (let i = 0; i < to.length; i++) {
      const x = outputs[start + i] as number;
      to[i] = scale ? expSigmoid(x, scale, power) : x;
    }
  }

  private amplitude(outputs: Float32Array, start: number, scale: Scale): number {
    const x = outputs[start + this.first] as number;
    return scale ? expSigmoid(x, scale, Math.log(scale.exponent)) : x;
  }

  private harmonic(
    outputs: Float32Array,
    start: number,
    f0Hz: number,
    to: Controls,
    scale: Scale,
    belowNyquist: boolean,
  ): void {
    const { partials } = to;
    to.amplitude = this.amplitude(outputs, start, scale);
    this.levels(outputs, start + this.second, partials, scale);
    let sum = 0;
    for (let k = 0; k < partials.length; k++) {
      if (belowNyquist && (k + 1) * f0Hz >= SAMPLE_RATE_HZ / 2) partials[k] = 0;
      sum += partials[k] as number;
    }
    const level = to.amplitude / (sum || 1e-7);
    for (let k = 0; k < partials.length; k++) partials[k] = (partials[k] as number) * level;
  }

  /** Mixes the tables of the dictionary: see components/synths/dictionary.py. */
  private mixture(outputs: Float32Array, start: number, f0Hz: number, to: Controls, scale: Scale): void {
    const { shares, harmonics, dictionary } = this;
    const { partials } = to;
    to.amplitude = this.amplitude(outputs, start, scale);
    let largest = Number.NEGATIVE_INFINITY;
    for (let t = 0; t < shares.length; t++) largest = Math.max(largest, outputs[start + this.second + t] as number);
    let sum = 0;
    for (let t = 0; t < shares.length; t++) {
      shares[t] = Math.exp((outputs[start + this.second + t] as number) - largest);
      sum += shares[t] as number;
    }
    let power = 0;
    for (let part = 0; part < 2; part++) {
      const tables = (dictionary as [Float32Array, Float32Array])[part] as Float32Array;
      for (let k = 0; k < harmonics; k++) {
        let value = 0;
        if ((k + 1) * f0Hz < SAMPLE_RATE_HZ / 2)
          for (let t = 0; t < shares.length; t++)
            value += (shares[t] as number) * (tables[t * harmonics + k] as number);
        value /= sum;
        partials[part * harmonics + k] = value;
        power += value * value;
      }
    }
    const level = to.amplitude / Math.sqrt(power / 2 + SMALLEST_MIXTURE_POWER);
    for (let k = 0; k < partials.length; k++) partials[k] = (partials[k] as number) * level;
  }

  private wavetable(outputs: Float32Array, start: number, to: Controls, scale: Scale, kind: "unit" | "linear"): void {
    const { table } = to;
    to.amplitude = this.amplitude(outputs, start, scale);
    const first = start + this.second;
    let mean = 0;
    for (let i = 0; i < table.length; i++) mean += outputs[first + i] as number;
    mean = kind === "unit" ? mean / table.length : 0;
    let power = 0;
    for (let i = 0; i < table.length; i++) {
      const centred = (outputs[first + i] as number) - mean;
      table[i] = centred;
      power += centred * centred;
    }
    if (kind === "linear") return;
    const level = 1 / Math.sqrt(power / table.length + SMALLEST_POWER);
    for (let i = 0; i < table.length; i++) table[i] = (table[i] as number) * level;
  }

  private sinusoidal(
    outputs: Float32Array,
    start: number,
    f0Hz: number,
    to: Controls,
    tone: Tone & { synth: "sinusoidal" },
  ): void {
    const { amplitude: scale, frequency, pull, pull_power: pullPower, fade } = tone;
    const { partials, frequenciesHz } = to;
    const power = scale ? Math.log(scale.exponent) : 0;
    const pitch = Math.max(f0Hz, LOWEST_F0_HZ);
    to.amplitude = 0;
    for (let k = 0; k < partials.length; k++) {
      let hz =
        "reach" in frequency
          ? pitch * (k + 1 + frequency.reach * Math.tanh(outputs[start + this.second + k] as number))
          : criticalBand(outputs, start + this.second + k * frequency.depth, k, frequency);
      let lowered = 0;
      if (pull || fade) {
        const number = Math.max(roundEven(hz / pitch), 1);
        const offset = hz / pitch - number;
        const distance = 2 * Math.abs(offset);
        hz = pitch * (number + offset * (1 - pull + pull * Math.min(distance, 1) ** pullPower));
        lowered = fade * distance * distance;
      }
      const x = (outputs[start + this.first + k] as number) - lowered;
      const level = scale ? expSigmoid(x, scale, power) : x;
      frequenciesHz[k] = hz;
      partials[k] = hz >= SAMPLE_RATE_HZ / 2 ? 0 : level;
      to.amplitude += partials[k] as number;
    }
  }
}

function criticalBand(outputs: Float32Array, start: number, k: number, bands: CriticalBands): number {
  let modifier = 0;
  let weight = 1;
  for (let d = 0; d < bands.depth; d++) {
    modifier += Math.tanh(outputs[start + d] as number) * weight;
    weight /= bands.depth_scale;
  }
  const hz = (bands.centre_hz[k] as number) + (bands.width_hz[k] as number) * modifier;
  return softLimit(hz, bands.hz_min, bands.hz_max);
}
