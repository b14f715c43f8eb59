// Timbre transfer of a recording: its pitch and loudness, fitted to the model's range, as components/transfer does it.

import { Engine } from "./engine";
import type { Model, Percentiles } from "./model";
import { noiseDelay } from "./noise";
import { Curves } from "./performer";
import { HOP, LoudnessMeter, PitchTracker, RATE_HZ } from "./tracker";

const WINDOW = 1024;
const LONGEST_LAG = 640; // 25 Hz
const FRAME_RATE_HZ = 250;
const SOUNDING_DB = 45; // below the loud frames
const MAX_STRETCH = 1.5;
const EDGE_FRAMES = 6; // a gap's edges are opened by so many frames

export interface Features {
  f0Hz: Float32Array;
  loudnessDb: Float32Array;
  confidence: Float32Array;
}

/** Tracks a recording at 16 kHz. */
export function analyse(audio: Float32Array, definition: string, onProgress: (share: number) => void): Features {
  const frames = Math.max(1, Math.ceil(audio.length / HOP));
  const pad = WINDOW + LONGEST_LAG;
  const padded = new Float32Array(audio.length + 2 * pad + HOP);
  padded.set(audio, pad);
  const tracker = new PitchTracker(WINDOW, LONGEST_LAG);
  const meter = new LoudnessMeter(definition);
  const features = {
    f0Hz: new Float32Array(frames),
    loudnessDb: new Float32Array(frames),
    confidence: new Float32Array(frames),
  };
  for (let i = 0; i < frames; i++) {
    const pitch = tracker.track(padded, Math.round(pad + HOP * i - tracker.centre));
    features.f0Hz[i] = pitch.f0Hz;
    features.confidence[i] = pitch.confidence;
    features.loudnessDb[i] = meter.measure(padded, pad + HOP * i - meter.window / 2);
    if (i % 250 === 0) onProgress(i / frames);
  }
  smooth(features.f0Hz);
  return features;
}

/** Replaces a pitch that is alone among others by the median of five frames. */
function smooth(f0Hz: Float32Array): void {
  const before = f0Hz.slice();
  for (let i = 2; i < f0Hz.length - 2; i++) {
    const near = before.slice(i - 2, i + 3).sort();
    if ((near[0] as number) > 0) f0Hz[i] = near[2] as number;
  }
}

function percentile(sorted: ArrayLike<number>, percent: number): number {
  const place = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(place);
  const [a, b] = [sorted[low] as number, sorted[Math.min(low + 1, sorted.length - 1)] as number];
  return a + (place - low) * (b - a);
}

/** Which frames sound: less than 45 dB below the loud ones. */
function soundingFrames(loudnessDb: Float32Array): boolean[] {
  const loud = percentile(loudnessDb.slice().sort(), 95);
  return Array.from(loudnessDb, (db) => db > Math.max(loud - SOUNDING_DB, -79));
}

export interface Fitted {
  f0Hz: Float32Array;
  loudnessDb: Float32Array;
  gate: Float32Array;
  octaves: number;
}

/** Fits features to a model; null where nothing in the recording has a pitch. */
export function fit(features: Features, f0Range: Percentiles, loudnessRange: Percentiles): Fitted | null {
  const sounding = soundingFrames(features.loudnessDb);
  const voiced = features.f0Hz.filter((hz, i) => hz > 0 && sounding[i] && (features.confidence[i] as number) > 0.6);
  if (voiced.length === 0) return null;
  const octaves = Math.round(Math.log2(f0Range.median / percentile(voiced.sort(), 50)));
  const f0Hz = new Float32Array(features.f0Hz.length);
  let held = voiced[0] as number;
  for (let i = 0; i < f0Hz.length; i++) {
    if ((features.f0Hz[i] as number) > 0 && sounding[i]) held = features.f0Hz[i] as number;
    f0Hz[i] = held * 2 ** octaves;
  }
  const heard = features.loudnessDb.filter((_, i) => sounding[i]).sort();
  const map = quantileMap(
    [5, 50, 95].map((percent) => percentile(heard, percent)),
    loudnessRange,
  );
  const loudnessDb = features.loudnessDb.map((db) => Math.max(-80, map(db)));
  const gate = features.loudnessDb.map((_, i) =>
    sounding.slice(Math.max(0, i - EDGE_FRAMES), i + EDGE_FRAMES + 1).some(Boolean) ? 1 : 0,
  );
  return { f0Hz, loudnessDb, gate, octaves };
}

/** Maps the quantiles found to those wanted, with slopes of 1 / 1.5 to 1.5 between them and of 1 beyond them. */
function quantileMap(found: number[], wanted: Percentiles): (db: number) => number {
  const [low, middle, high] = found as [number, number, number];
  const limited = (step: number, target: number) => Math.min(step * MAX_STRETCH, Math.max(step / MAX_STRETCH, target));
  const top = limited(high - middle, wanted.p95 - wanted.median);
  const bottom = limited(middle - low, wanted.median - wanted.p5);
  return (db) => {
    if (db >= high) return wanted.median + top + db - high;
    if (db <= low) return wanted.median - bottom + db - low;
    if (db >= middle) return wanted.median + ((db - middle) / (high - middle || 1)) * top;
    return wanted.median - ((middle - db) / (middle - low || 1)) * bottom;
  };
}

/** Renders fitted curves at a sample rate. */
export function render(
  module: WebAssembly.Module,
  model: Model,
  fitted: Fitted,
  rate: number,
  onProgress: (share: number) => void,
): Float32Array {
  const stride = FRAME_RATE_HZ / model.header.frame_rate_hz;
  const every = (values: Float32Array) => values.filter((_, i) => i % stride === 0);
  const engine = new Engine(module, model, rate);
  const source = new Curves(every(fitted.f0Hz), every(fitted.loudnessDb));
  const late = noiseDelay(engine.bands, rate);
  const samples = Math.round((fitted.f0Hz.length * HOP * rate) / RATE_HZ);
  const audio = new Float32Array(samples + late);
  const part = rate; // a second
  for (let start = 0; start < audio.length; start += part) {
    engine.render(audio.subarray(start, Math.min(start + part, audio.length)), source);
    onProgress(start / audio.length);
  }
  const kept = audio.subarray(late);
  const hop = (HOP * rate) / RATE_HZ;
  for (let j = 0; j < kept.length; j++) {
    const frame = j / hop;
    const i = Math.min(Math.floor(frame), fitted.gate.length - 1);
    const own = fitted.gate[i] as number;
    const next = fitted.gate[Math.min(i + 1, fitted.gate.length - 1)] as number;
    kept[j] = (kept[j] as number) * (own + (frame - i) * (next - own));
  }
  return kept;
}
