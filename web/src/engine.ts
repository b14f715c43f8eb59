// The instrument: curves of pitch and loudness in, audio out, at any sample rate, one allocation-free loop.
//
// Frames are those of the network, by default 250 a second. Between two frames the synthesizer interpolates, so the
// controls of a frame are computed when the frame before begins. The tone is delayed by the delay of the noise filter.

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

export class Engine {
  readonly voices: Voice[];
  /** Frames computed. */
  frames = 0;
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
      done += samples;
    }
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
    if (this.frame < 0) this.compute(source); // the controls of frame 0
    this.frame += 1;
    const start = Math.ceil(this.frame * this.hop);
    this.frameSamples = Math.ceil((this.frame + 1) * this.hop) - start;
    this.firstTime = start / this.hop - this.frame;
    this.at = 0;
    for (const voice of this.voices) voice.advance();
    this.compute(source);
    this.noise.begin(this.frameSamples);
    for (const voice of this.voices) if (voice.sounds) this.noise.add(voice.own.magnitudesBlock);
  }

  /** Computes the next frame of all voices. */
  private compute(source: Source): void {
    const count = source.nextFrame();
    for (let v = 0; v < count; v++) {
      if (source.fresh[v]) this.network.reset(v);
      this.network.setInputs(v, source.f0Hz[v] as number, source.loudnessDb[v] as number);
    }
    if (count > 0) this.network.forward(count);
    for (let v = 0; v < VOICES; v++) {
      const voice = this.voices[v] as Voice;
      if (v < count && source.active[v]) {
        const start = this.network.outputStart(v);
        this.scaler.scale(this.network.outputs, start, source.f0Hz[v] as number, voice.next);
        if (source.fresh[v]) voice.alignFrequencies();
      } else if (voice.sounds) voice.fadeOut();
    }
    this.frames += 1;
  }
}
