// The AudioWorklet processor: it holds the engine, plays what the page tells it, and counts.

import { Engine, type Source } from "./engine";
import { Listener } from "./listener";
import type { Model } from "./model";
import { Performer } from "./performer";
import type { Voice } from "./voice";

declare const sampleRate: number;
declare const currentFrame: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

/** From the page to the processor. */
export type Command =
  | { type: "model"; model: Model }
  | { type: "on"; note: number; velocity: number; sentAt: number } // sentAt: Date.now() of the page
  | { type: "off"; note: number }
  | { type: "bend" | "modulation" | "pressure" | "polyphony" | "glide"; value: number }
  | { type: "pedal"; down: boolean }
  | { type: "allOff" }
  | { type: "keys" } // play what the keys play
  | { type: "listen" } // play what the microphone hears
  | { type: "record"; seconds: number };

/** From the processor to the page, some 30 times a second. */
export interface Report {
  type: "report";
  load: number; // share of the time that the audio thread has
  underruns: number;
  f0Hz: number;
  loudnessDb: number;
  level: number; // peak since the last report
  attackMs: number; // from the page's last note out of silence to its first sound in this thread
  sounding: boolean;
  voices: number;
  heardHz: number; // in the microphone; 0: no pitch
  heardDb: number;
  partials: Float32Array;
  frequenciesHz: Float32Array;
  magnitudes: Float32Array;
}

/** Plays the pitch and loudness that the listener hears in the microphone. */
class Live implements Source {
  readonly active = [false, false, false, false];
  readonly fresh = [false, false, false, false];
  readonly f0Hz = new Float32Array(4).fill(440);
  readonly loudnessDb = new Float32Array(4).fill(-80);
  listener: Listener | null = null;

  nextFrame(): number {
    const sounding = this.listener?.sounding ?? false;
    this.fresh[0] = sounding && !this.active[0];
    this.active[0] = sounding;
    if (this.listener) {
      this.f0Hz[0] = this.listener.f0Hz;
      this.loudnessDb[0] = this.listener.loudnessDb;
    }
    return sounding ? 1 : 0;
  }
}

/**
 * Counts losses of audio: the device's clock cannot be read here, so a loss shows as audio time that falls behind the
 * wall clock and stays behind.
 */
class Clock {
  underruns = 0;
  load = 0;
  private lowest = Number.POSITIVE_INFINITY;
  private baseline = Number.NaN;
  private busyMs = 0;
  private windowStart = 0;

  begin(): number {
    const now = Date.now();
    const late = now - (currentFrame / sampleRate) * 1000;
    this.lowest = Math.min(this.lowest, late);
    return now;
  }

  end(began: number): void {
    const now = Date.now();
    this.busyMs += now - began;
    const elapsed = now - this.windowStart;
    if (elapsed < 500) return;
    this.load = this.busyMs / elapsed;
    if (this.lowest > this.baseline + 3) this.underruns += 1;
    this.baseline = this.lowest;
    this.lowest = Number.POSITIVE_INFINITY;
    this.busyMs = 0;
    this.windowStart = now;
  }
}

const AUDIBLE = 0.001; // -60 dB of full scale
const REPORT_SAMPLES = sampleRate / 30;

class InstrumentProcessor extends AudioWorkletProcessor {
  private engine: Engine | null = null;
  private performer: Performer | null = null;
  private readonly live = new Live();
  private source: Source = this.live;
  private keysPlay = true;
  private readonly clock = new Clock();
  private sinceReport = 0;
  private level = 0;
  private sentAt = 0; // of a note that does not sound yet
  private attackMs = 0;
  private recording: Float32Array | null = null;
  private recorded = 0;
  private pictures = [new Float32Array(0), new Float32Array(0), new Float32Array(0)] as const;
  private readonly module: WebAssembly.Module;

  constructor(options: { processorOptions: { kernel: Uint8Array<ArrayBuffer> } }) {
    super();
    this.module = new WebAssembly.Module(options.processorOptions.kernel);
    this.port.onmessage = (event: MessageEvent<Command>) => this.obey(event.data);
  }

  private obey(command: Command): void {
    const { performer } = this;
    switch (command.type) {
      case "model": {
        this.engine = new Engine(this.module, command.model, sampleRate);
        const { header } = command.model;
        const { partials, table, frequenciesHz, magnitudes } = (this.engine.voices[0] as Voice).own;
        // Copies: a message with a part of the kernel's memory would copy all of it.
        this.pictures = [
          new Float32Array(partials.length || table.length),
          new Float32Array(frequenciesHz.length),
          new Float32Array(magnitudes.length),
        ];
        this.performer = new Performer(header.expression, header.silence_db, header.frame_rate_hz);
        if (performer) {
          this.performer.polyphony = performer.polyphony;
          this.performer.glide = performer.glide;
        }
        if (this.keysPlay) this.source = this.performer;
        else this.listen();
        this.port.postMessage({ type: "ready", name: header.name });
        break;
      }
      case "on":
        if (!this.source.active.some(Boolean)) this.sentAt = command.sentAt;
        performer?.noteOn(command.note, command.velocity);
        break;
      case "off":
        performer?.noteOff(command.note);
        break;
      case "pedal":
        performer?.setPedal(command.down);
        break;
      case "allOff":
        performer?.allOff();
        break;
      case "keys":
        this.keysPlay = true;
        this.live.listener = null;
        if (performer) this.source = performer;
        break;
      case "listen":
        this.keysPlay = false;
        performer?.allOff();
        this.listen();
        break;
      case "record":
        this.recording = new Float32Array(Math.round(command.seconds * sampleRate));
        this.recorded = 0;
        break;
      case "polyphony":
        performer?.allOff();
        if (performer) performer.polyphony = command.value;
        break;
      default:
        if (performer) performer[command.type] = command.value;
    }
  }

  private listen(): void {
    if (this.engine) this.live.listener = new Listener(sampleRate, this.engine.model.header);
    this.source = this.live;
  }

  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const began = this.clock.begin();
    const channels = outputs[0] as Float32Array[];
    const out = channels[0] as Float32Array;
    const heard = inputs[0]?.[0];
    if (heard && this.live.listener) this.live.listener.push(heard);
    if (this.engine) this.engine.render(out, this.source);
    this.limit(out);
    for (let c = 1; c < channels.length; c++) (channels[c] as Float32Array).set(out);
    if (this.recording) this.record(out);
    this.sinceReport += out.length;
    if (this.sinceReport >= REPORT_SAMPLES) this.report();
    this.clock.end(began);
    return true;
  }

  /** Bends peaks above 0.8 so that they stay below 1, and finds the peak and the first sound of a note. */
  private limit(out: Float32Array): void {
    for (let j = 0; j < out.length; j++) {
      const value = out[j] as number;
      const size = Math.abs(value);
      if (size > 0.8) out[j] = Math.sign(value) * (0.8 + 0.2 * Math.tanh((size - 0.8) / 0.2));
      if (size > this.level) this.level = size;
      if (this.sentAt > 0 && size > AUDIBLE) {
        this.attackMs = Date.now() - this.sentAt + (1000 * j) / sampleRate;
        this.sentAt = 0;
      }
    }
  }

  private record(out: Float32Array): void {
    const recording = this.recording as Float32Array;
    const samples = Math.min(out.length, recording.length - this.recorded);
    recording.set(out.subarray(0, samples), this.recorded);
    this.recorded += samples;
    if (this.recorded < recording.length) return;
    this.port.postMessage({ type: "recorded", audio: recording, sampleRate }, [recording.buffer]);
    this.recording = null;
  }

  private report(): void {
    this.sinceReport = 0;
    const voice = this.engine?.voices[0];
    if (!voice) return;
    const { own } = voice;
    const [partials, frequenciesHz, magnitudes] = this.pictures;
    partials.set(own.table.length ? own.table : own.partials);
    frequenciesHz.set(own.frequenciesHz);
    magnitudes.set(own.magnitudes);
    const report: Report = {
      type: "report",
      load: this.clock.load,
      underruns: this.clock.underruns,
      f0Hz: this.source.f0Hz[0] as number,
      loudnessDb: this.source.loudnessDb[0] as number,
      level: this.level,
      attackMs: this.attackMs,
      sounding: this.source.active.some(Boolean),
      voices: this.source.active.filter(Boolean).length,
      heardHz: this.live.listener?.heardHz ?? 0,
      heardDb: this.live.listener?.levelDb ?? -80,
      partials,
      frequenciesHz,
      magnitudes,
    };
    this.level = 0;
    this.port.postMessage(report);
  }
}

registerProcessor("luthier-instrument", InstrumentProcessor);
