// The microphone in the audio thread: from the device's samples to the pitch and the loudness that a model is given.

import type { Header } from "./model";
import { HOP, LoudnessMeter, PitchTracker, RATE_HZ } from "./tracker";

const WINDOW = 640; // short, for little delay
const LONGEST_LAG = 400; // 40 Hz
const CROSSINGS = 12; // of the resampler's sinc, on either side
const STEPS = 256; // of its table, between two crossings
const HISTORY = 2048; // samples
const QUIET_DB = -55; // of power: below, there is no signal
const LEAST_CONFIDENCE = 0.7;
const HELD_FRAMES = 20; // without a pitch, the last one is held
const PATIENT_FRAMES = 12; // of the tracker, 0.1 s
const LOUD_DECAY_DB = 0.004; // a frame: the loudest heard sound is forgotten slowly

/** Resamples a stream to 16 kHz by a windowed sinc. */
class Resampler {
  private readonly table: Float32Array;
  private readonly ratio: number;
  private readonly scale: number;
  private readonly half: number; // input samples on either side
  private readonly history: Float32Array;
  private filled = 0;
  private time: number; // of the next output, in input samples of the history

  constructor(rate: number) {
    this.ratio = rate / RATE_HZ;
    this.scale = Math.min(1, 0.92 / this.ratio); // cutoff, relative to the input's Nyquist
    this.half = Math.ceil(CROSSINGS / this.scale);
    this.table = Float32Array.from({ length: CROSSINGS * STEPS + 2 }, (_, i) => {
      const x = i / STEPS;
      if (x >= CROSSINGS) return 0;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / CROSSINGS);
      return window * (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * this.scale;
    });
    this.history = new Float32Array(4 * this.half + 1024);
    this.time = this.half;
  }

  /** Takes samples; writes what is complete to `out` and returns how many. */
  push(samples: Float32Array, out: Float32Array): number {
    const { history, half, table, scale } = this;
    history.set(samples, this.filled);
    this.filled += samples.length;
    let count = 0;
    while (this.time + half + 1 < this.filled && count < out.length) {
      const centre = Math.floor(this.time);
      let sum = 0;
      for (let j = centre - half + 1; j <= centre + half; j++) {
        const place = Math.abs(j - this.time) * scale * STEPS;
        const index = Math.floor(place);
        const low = table[index] ?? 0;
        sum += (history[j] as number) * (low + (place - index) * ((table[index + 1] ?? 0) - low));
      }
      out[count++] = sum;
      this.time += this.ratio;
    }
    const used = Math.floor(this.time) - half;
    history.copyWithin(0, used, this.filled);
    this.filled -= used;
    this.time -= used;
    return count;
  }
}

export class Listener {
  /** What is heard: the level in dB of full scale, the pitch in Hz (0: none), and what the model is given. */
  levelDb = -80;
  heardHz = 0;
  f0Hz = 440;
  loudnessDb = -80;
  sounding = false;
  private readonly resampler: Resampler;
  private readonly tracker = new PitchTracker(WINDOW, LONGEST_LAG);
  private readonly level = new LoudnessMeter("ddsp-3.7-power");
  private readonly meter: LoudnessMeter;
  private readonly history = new Float32Array(HISTORY);
  private readonly fresh = new Float32Array(256);
  private readonly recent = [0, 0, 0];
  private sinceFrame = 0;
  private frame = 0;
  private unvoiced = 0;
  private octaves = 0;
  private elsewhere = 0;
  private loudestDb = -30;

  constructor(
    rate: number,
    private readonly header: Header,
  ) {
    this.resampler = new Resampler(rate);
    this.meter = new LoudnessMeter(header.loudness);
  }

  /** Takes the microphone's samples. */
  push(samples: Float32Array): void {
    const count = this.resampler.push(samples, this.fresh);
    this.history.copyWithin(0, count);
    this.history.set(this.fresh.subarray(0, count), HISTORY - count);
    this.sinceFrame += count;
    while (this.sinceFrame >= HOP) {
      this.sinceFrame -= HOP;
      this.frame += 1;
      this.hear(this.frame % 2 === 0);
    }
  }

  private hear(withPitch: boolean): void {
    const { tracker, meter, history, header } = this;
    this.levelDb = this.level.measure(history, HISTORY - this.level.window);
    if (withPitch) {
      const pitch = tracker.track(history, HISTORY - tracker.needed);
      this.heardHz = this.levelDb > QUIET_DB && pitch.confidence >= LEAST_CONFIDENCE ? pitch.f0Hz : 0;
      this.unvoiced = this.heardHz > 0 ? 0 : this.unvoiced + 2;
      this.follow();
    }
    const loudness = meter.measure(history, HISTORY - meter.window);
    this.loudestDb = Math.max(loudness, this.loudestDb - LOUD_DECAY_DB);
    this.loudnessDb = Math.max(-80, loudness + header.loudness_db.p95 - this.loudestDb);
  }

  private follow(): void {
    const { recent } = this;
    recent[0] = recent[1] as number;
    recent[1] = recent[2] as number;
    recent[2] = this.heardHz;
    const voiced = (recent[0] as number) > 0 && (recent[1] as number) > 0 && (recent[2] as number) > 0;
    if (voiced) {
      const a = recent[0] as number;
      const b = recent[1] as number;
      const middle = Math.max(Math.min(a, b), Math.min(Math.max(a, b), recent[2] as number));
      this.moveIntoRange(middle);
      this.f0Hz = middle * 2 ** this.octaves;
    }
    this.sounding = this.levelDb > QUIET_DB && (voiced || (this.sounding && this.unvoiced < HELD_FRAMES));
  }

  /** Moves the pitch by octaves into the range of the training, once it has been elsewhere for a while. */
  private moveIntoRange(hz: number): void {
    const { p5, p95 } = this.header.f0_hz;
    const wanted = octavesInto(hz, p5, p95);
    this.elsewhere = wanted === this.octaves ? 0 : this.elsewhere + 1;
    if (this.elsewhere < PATIENT_FRAMES) return;
    this.octaves = wanted;
    this.elsewhere = 0;
  }
}

/** The octaves that bring a pitch into a range, or nearest to it; 0 inside of it. */
function octavesInto(hz: number, low: number, high: number): number {
  if (hz >= low / 1.1 && hz <= high * 1.1) return 0;
  return hz < low ? Math.ceil(Math.log2(low / hz) - 0.15) : -Math.ceil(Math.log2(hz / high) - 0.15);
}
