// The instrument: curves of pitch and loudness in, audio out, at any sample rate, one allocation-free loop.
//
// Frames are those of the network, by default 250 a second. Between two frames the synthesizer interpolates, so the
// controls of a frame are needed when the frame before begins. They are computed in slices over the samples before that,
// so that no call computes a whole frame of a large network. The tone is delayed by the delay of the noise filter.

import { Scaler } from "./controls";
import { type Block, Kernel } from "./kernel";
import type { Model } from "./model";
import { Network, networkFloats, VOICES } from "./network";
import { Noise, noiseDelay } from "./noise";
import { Voice } from "./voice";

/** What the voices play. */
export interface Source {
  /** Moves to the next frame; returns how many of the first voices take part. */
  nextFrame(): number;
  /** Whether a voice plays in this frame. */
  readonly active: boolean[];
  /** Whether a voice starts in this frame from silence. */
  readonly fresh: boolean[];
  readonly f0Hz: Float32Array;
  readonly loudnessDb: Float32Array;
}

const LONGEST = 128; // samples of tone at once
const LONGEST_LEAD = 256; // samples over which the network computes a frame: a longer time is heard as latency

export class Engine {
  readonly voices: Voice[];
  readonly noise: Noise;
  private readonly kernel: Kernel;
  private readonly network: Network;
  private readonly scaler: Scaler;
  private readonly line: Block;
  private readonly delay: number;
  private readonly hop: number;
  private frame = -1;
  private frameSamples = 0;
  private at = 0; // sample in the frame
  private firstTime = 0; // position of the frame's first sample in the frame, 0..1
  private asked: Source | null = null; // of the frame that the network computes now
  private askedVoices = 0;

  constructor(
    module: WebAssembly.Module,
    readonly model: Model,
    private readonly rate: number,
  ) {
    const { header } = model;
    this.scaler = new Scaler(model);
    this.hop = rate / header.frame_rate_hz;
    const { partials, points, bands } = this.scaler;
    const longest = Math.ceil(this.hop) + 1;
    const noiseFloats = (bands * 2 * rate) / 16_000 + 16;
    const floats = VOICES * 16 * (partials + points + bands + 64) + (noiseFloats + 64) * (bands + 16) + 8 * longest;
    this.kernel = new Kernel(module, Math.ceil(networkFloats(model) + floats + rate));
    this.network = new Network(this.kernel, model);
    this.voices = Array.from({ length: VOICES }, () => new Voice(this.kernel, this.scaler));
    this.noise = new Noise(this.kernel, bands, rate, longest);
    this.delay = noiseDelay(bands, rate);
    this.line = this.kernel.reserve(this.delay + 2 * LONGEST);
    this.kernel.seal();
  }

  /** Bands of the noise filter. */
  get bands(): number {
    return this.scaler.bands;
  }

  /** Fills `out`, any length. */
  render(out: Float32Array, source: Source): void {
    let done = 0;
    while (done < out.length) {
      if (this.at === this.frameSamples) this.nextFrame(source);
      const samples = Math.min(out.length - done, this.frameSamples - this.at, LONGEST);
      this.renderPart(out, done, samples);
      this.computeAhead(source);
      done += samples;
    }
  }

  /** Computes what part of the next frame is due at this sample. */
  private computeAhead(source: Source): void {
    const lead = Math.min(this.frameSamples, LONGEST_LEAD);
    const due = (this.at - this.frameSamples) / lead + 1;
    if (due <= 0) return;
    if (!this.asked) this.ask(source);
    this.network.advance(due);
  }

  private renderPart(out: Float32Array, from: number, samples: number): void {
    const { line, delay, at } = this;
    const step = 1 / this.hop;
    const time = this.firstTime + at * step;
    for (let v = 0; v < VOICES; v++) {
      const voice = this.voices[v] as Voice;
      if (voice.sounds) voice.addTone(line.address + 4 * delay, samples, this.rate, time, step);
    }
    const noise = this.noise.audio;
    for (let j = 0; j < samples; j++) out[from + j] = (line.values[j] as number) + (noise[at + j] as number);
    this.kernel.run.shift(line.address, samples, delay + LONGEST);
    this.at += samples;
  }

  private nextFrame(source: Source): void {
    if (this.frame < 0) this.compute(source); // frame 0
    this.frame += 1;
    const start = Math.ceil(this.frame * this.hop);
    this.frameSamples = Math.ceil((this.frame + 1) * this.hop) - start;
    this.firstTime = start / this.hop - this.frame;
    this.at = 0;
    for (const voice of this.voices) voice.advance();
    this.compute(source); // what is left of it
    this.noise.begin(this.frameSamples);
    for (const voice of this.voices) if (voice.sounds) this.noise.add(voice.own.magnitudesBlock);
  }

  /** Begins the next frame of all voices. */
  private ask(source: Source): void {
    const count = source.nextFrame();
    for (let v = 0; v < count; v++) {
      if (source.fresh[v]) this.network.reset(v);
      this.network.setInputs(v, source.f0Hz[v] as number, source.loudnessDb[v] as number);
    }
    this.network.begin(count);
    this.asked = source;
    this.askedVoices = count;
  }

  /** Ends the next frame of all voices. */
  private compute(current: Source): void {
    if (!this.asked) this.ask(current);
    const source = this.asked as Source;
    this.asked = null;
    this.network.advance(1);
    for (let v = 0; v < VOICES; v++) {
      const voice = this.voices[v] as Voice;
      if (v < this.askedVoices && source.active[v]) {
        const start = this.network.outputStart(v);
        const [f0Hz, loudnessDb] = [source.f0Hz[v] as number, source.loudnessDb[v] as number];
        this.scaler.scale(this.network.outputs, start, f0Hz, loudnessDb, voice.next);
        if (source.fresh[v]) voice.alignFrequencies();
      } else if (voice.sounds) voice.fadeOut();
    }
  }
}
