// Keys to curves: notes, bend, pressure and pedal become pitch and loudness, frame by frame, for up to four voices.
//
// Keys have no breath, so the loudness of a note follows an envelope with the numbers of the model's `expression`: a rise
// to a peak, a fall to the level of the key's velocity, a slow decay, and a release. Monophonic by default: a key that is
// pressed while another is held continues the note (legato) and glides to the new pitch.

import type { Source } from "./engine";
import type { Expression } from "./model";
import { VOICES } from "./network";

const SILENT_FRAMES = 12; // at the floor, before a voice stops
const BEND_RANGE = 2; // semitones
const DB_PER_PRESSURE = 8;

type Stage = "idle" | "attack" | "hold" | "release";

class PlayedVoice {
  stage: Stage = "idle";
  note = -1;
  velocity = 0;
  startedAt = 0; // frame
  pitch = 69; // current, with glide, in MIDI numbers
  level = -80; // current loudness in dB
  silentFrames = 0;
  decayed = 0; // dB lost since the attack
}

interface Held {
  note: number;
  velocity: number;
}

export class Performer implements Source {
  readonly active = Array<boolean>(VOICES).fill(false);
  readonly fresh = Array<boolean>(VOICES).fill(false);
  readonly f0Hz = new Float32Array(VOICES).fill(440);
  readonly loudnessDb = new Float32Array(VOICES).fill(-80);
  /** Voices at once: 1 is monophonic with legato. */
  polyphony = 1;
  bend = 0; // -1..1
  modulation = 0; // 0..1
  pressure = 0; // 0..1
  glide = 1; // times the expression's own
  private pedal = false;
  private readonly held: Held[] = [];
  private readonly pedalled: number[] = [];
  private readonly voices = Array.from({ length: VOICES }, () => new PlayedVoice());
  private frame = 0;
  private readonly frameSeconds: number;

  constructor(
    public expression: Expression,
    frameRateHz: number,
  ) {
    this.frameSeconds = 1 / frameRateHz;
  }

  /** A key goes down; velocity is 0..1. */
  noteOn(note: number, velocity: number): void {
    this.forget(note);
    this.held.push({ note, velocity });
    const voice = this.polyphony === 1 ? (this.voices[0] as PlayedVoice) : this.freeVoice(note);
    const legato = this.polyphony === 1 && this.held.length > 1 && voice.stage !== "idle" && voice.stage !== "release";
    voice.note = note;
    voice.velocity = velocity;
    if (legato) return;
    if (voice.stage === "idle") voice.pitch = note;
    voice.stage = "attack";
    voice.startedAt = this.frame;
    voice.decayed = 0;
  }

  /** A key goes up. */
  noteOff(note: number): void {
    const index = this.held.findIndex((each) => each.note === note);
    if (index >= 0) this.held.splice(index, 1);
    if (this.pedal) {
      this.pedalled.push(note);
      return;
    }
    this.release(note);
  }

  /** The sustain pedal. */
  setPedal(down: boolean): void {
    this.pedal = down;
    if (down) return;
    for (const note of this.pedalled.splice(0)) {
      if (!this.held.some((each) => each.note === note)) this.release(note);
    }
  }

  /** All keys go up. */
  allOff(): void {
    this.held.length = 0;
    this.pedalled.length = 0;
    this.pedal = false;
    for (const voice of this.voices) if (voice.stage !== "idle") voice.stage = "release";
  }

  nextFrame(): number {
    let count = 0;
    for (let v = 0; v < VOICES; v++) {
      const voice = this.voices[v] as PlayedVoice;
      this.fresh[v] = voice.stage !== "idle" && !this.active[v];
      this.active[v] = voice.stage !== "idle";
      if (!this.active[v]) continue;
      count = v + 1;
      this.moveLoudness(voice);
      this.f0Hz[v] = this.pitchHz(voice);
      this.loudnessDb[v] = Math.max(-80, voice.level + DB_PER_PRESSURE * this.pressure);
    }
    this.frame += 1;
    return count;
  }

  private forget(note: number): void {
    const held = this.held.findIndex((each) => each.note === note);
    if (held >= 0) this.held.splice(held, 1);
    const pedalled = this.pedalled.indexOf(note);
    if (pedalled >= 0) this.pedalled.splice(pedalled, 1);
  }

  /** The voice for a new note: the same note's, a silent one, or the oldest. */
  private freeVoice(note: number): PlayedVoice {
    const some = this.voices.slice(0, this.polyphony);
    const rank = (voice: PlayedVoice) =>
      voice.note === note && voice.stage !== "idle"
        ? 0
        : voice.stage === "idle"
          ? 1
          : voice.stage === "release"
            ? 2
            : 3;
    some.sort((a, b) => rank(a) - rank(b) || a.startedAt - b.startedAt);
    return some[0] as PlayedVoice;
  }

  private release(note: number): void {
    for (const voice of this.voices) {
      if (voice.note !== note || voice.stage === "idle") continue;
      const before = this.polyphony === 1 ? this.held.at(-1) : undefined;
      if (before) {
        voice.note = before.note; // back to the key that is still held
        voice.velocity = before.velocity;
      } else voice.stage = "release";
    }
  }

  private moveLoudness(voice: PlayedVoice): void {
    const { expression: e, frameSeconds } = this;
    const sustained = e.soft_db + (e.loud_db - e.soft_db) * voice.velocity;
    const age = (this.frame - voice.startedAt) * frameSeconds;
    if (voice.stage === "attack") {
      const peak = sustained + e.overshoot_db;
      const frames = Math.max(1, e.attack_s / frameSeconds);
      const from = Math.max(voice.level, peak - 40); // the ear hears nothing below
      voice.level = Math.min(peak, from + 40 / frames);
      if (voice.level >= peak || age > 2 * e.attack_s) voice.stage = "hold";
    } else if (voice.stage === "hold") {
      voice.decayed += e.decay_db_per_s * frameSeconds;
      const target = Math.max(sustained - voice.decayed, e.silence_db);
      voice.level += (target - voice.level) * Math.min(1, frameSeconds / Math.max(e.settle_s, frameSeconds));
    } else {
      voice.level -= (40 * frameSeconds) / Math.max(e.release_s, frameSeconds);
    }
    voice.silentFrames = voice.level <= e.silence_db ? voice.silentFrames + 1 : 0;
    voice.level = Math.max(voice.level, e.silence_db);
    if (voice.silentFrames > SILENT_FRAMES && voice.stage !== "attack") voice.stage = "idle";
    if (voice.stage === "idle") voice.level = -80;
  }

  private pitchHz(voice: PlayedVoice): number {
    const { expression: e, frameSeconds } = this;
    const seconds = e.glide_s * this.glide;
    const share = seconds > 0 ? 1 - Math.exp(-frameSeconds / seconds) : 1;
    voice.pitch += (voice.note - voice.pitch) * share;
    const age = (this.frame - voice.startedAt) * frameSeconds;
    const natural = e.vibrato_cents * Math.min(1, Math.max(0, (age - e.vibrato_after_s) / 0.5));
    const depth = (natural + 60 * this.modulation) / 100;
    const vibrato = depth * Math.sin(2 * Math.PI * e.vibrato_hz * age);
    return 440 * 2 ** ((voice.pitch + vibrato + BEND_RANGE * this.bend - 69) / 12);
  }
}

/** Plays curves that are known in advance: one voice, frames of the network. */
export class Curves implements Source {
  readonly active = [true, false, false, false];
  readonly fresh = [true, false, false, false];
  readonly f0Hz = new Float32Array(VOICES);
  readonly loudnessDb = new Float32Array(VOICES);
  private next = 0;

  constructor(
    private readonly pitchHz: ArrayLike<number>,
    private readonly loudness: ArrayLike<number>,
  ) {}

  nextFrame(): number {
    const last = Math.min(this.next, this.pitchHz.length - 1);
    this.fresh[0] = this.next === 0;
    this.f0Hz[0] = this.pitchHz[last] as number;
    this.loudnessDb[0] = this.loudness[last] as number;
    this.next += 1;
    return 1;
  }
}
