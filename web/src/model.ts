// A model as the page holds it: a header in JSON and its arrays; components/export/web/model_file.py writes it.

import type { Expression } from "./expression";

export interface Percentiles {
  p5: number;
  median: number;
  p95: number;
}

/** max_value * sigmoid(x + bias) ** log(exponent) + threshold; null leaves a number as it is. */
export interface ExpSigmoid {
  bias: number;
  exponent: number;
  max_value: number;
  threshold: number;
}

export type Scale = ExpSigmoid | null;

/** Frequencies in critical bands: see ddsp's core.frequencies_critical_bands. */
export interface CriticalBands {
  centre_hz: number[];
  width_hz: number[];
  depth: number;
  depth_scale: number;
  hz_min: number;
  hz_max: number;
}

/** Frequencies that start at the multiples of the pitch and stay within `reach` times the pitch of them. */
export interface NearMultiples {
  reach: number;
}

export type Tone =
  | { synth: "harmonic"; amplitude: Scale; below_nyquist: boolean }
  | {
      synth: "sinusoidal";
      amplitude: Scale;
      frequency: CriticalBands | NearMultiples;
      pull: number;
      pull_power: number;
      fade: number;
    }
  | { synth: "wavetable"; amplitude: Scale; table: "unit" | "linear" }
  | { synth: "wavetable"; amplitude: Scale; table: "dictionary"; partials: number };

/** How the level of the controls is corrected; with a limit of 0 dB it is not. */
export interface LevelOptions {
  limit_db: number;
  a_weighted: boolean;
  window_samples: number; // of the loudness
}

export interface Header {
  schema: number;
  name: string;
  family: string;
  synth: "harmonic" | "sinusoidal" | "wavetable";
  preset: string;
  frame_rate_hz: number;
  loudness: string;
  f0_hz: Percentiles;
  loudness_db: Percentiles;
  expression: Expression;
  silence_db: number;
  inputs: string[];
  units: number;
  epsilon: number;
  stacks: number[];
  out_layers: number;
  outputs: [string, number][];
  tone_outputs: string[];
  tone: Tone;
  noise: Scale;
  level: LevelOptions;
  arrays: { name: string; shape: number[]; type: "float32" | "int16" | "int12" }[];
}

export interface Model {
  header: Header;
  arrays: Map<string, Float32Array>;
}

const SCHEMA = 3;

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Decodes base64 that holds gzip-compressed bytes. */
export async function unpacked(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return gunzip(bytes);
}

/** Reads a model from the text of its script element. */
export async function readModel(text: string): Promise<Model> {
  const bytes = await unpacked(text);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as Header;
  if (header.schema !== SCHEMA) throw new Error(`the model has schema ${header.schema}: expected ${SCHEMA}`);
  const arrays = new Map<string, Float32Array>();
  let offset = 4 + length;
  for (const { name, shape, type } of header.arrays) {
    const size = shape.reduce((product, n) => product * n, 1);
    const rows = shape.length === 2 ? (shape[0] as number) : 1;
    const [values, used] = decoders[type](bytes.subarray(offset), size, rows);
    arrays.set(name, values);
    offset += used;
  }
  return { header, arrays };
}

type Decoder = (bytes: Uint8Array, size: number, rows: number) => [values: Float32Array, used: number];

// Numbers are stored in planes: the first bytes of all numbers, then the second bytes, ...; this way they compress.
const decoders: Record<"float32" | "int16" | "int12", Decoder> = {
  float32: (bytes, size) => {
    const values = new Float32Array(size);
    const raw = new Uint8Array(values.buffer);
    for (let place = 0; place < 4; place++)
      for (let i = 0; i < size; i++) raw[4 * i + place] = bytes[place * size + i] as number;
    return [values, 4 * size];
  },
  int16: (bytes, size, rows) => fromCodes(bytes, size, rows, 32_767),
  int12: (bytes, size, rows) => fromCodes(bytes, size, rows, 2047),
};

/** Codes of two bytes, -highest..highest plus highest + 1, times the step of the row, float32. */
function fromCodes(bytes: Uint8Array, size: number, rows: number, highest: number): ReturnType<Decoder> {
  const values = new Float32Array(size);
  const steps = new Float32Array(bytes.slice(0, 4 * rows).buffer);
  const columns = size / rows;
  const low = 4 * rows;
  for (let i = 0; i < size; i++) {
    const code = ((bytes[low + i] as number) | ((bytes[low + size + i] as number) << 8)) - highest - 1;
    values[i] = code * (steps[Math.floor(i / columns)] as number);
  }
  return [values, low + 2 * size];
}
