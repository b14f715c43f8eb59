// Keys to curves: notes, bend, pressure and pedal become pitch and loudness, frame by frame, for up to four voices.
//
// The curves of a note are those of `luthier play` (components/play/curves.py), except for what only a score knows: its
// length. Monophonic by default: on a bowed or blown instrument, a key that is pressed while another is held continues
// the note (legato) and glides to the new pitch.

import type { Source } from "./engine";
import { type Expression, Playing, type Shape, VIBRATO_HZ } from "./expression";
import { VOICES } from "./network";

const BEND_RANGE = 2; // semitones
const DB_PER_PRESSURE = 8;
const MODULATION_CENTS = 50;
const FLOOR_DB = -80;
// Loudness is measured in windows of 32 ms, so a recorded note is 16 ms into its curve when its sound begins.
const ONSET_S = 0.016;
const GLIDE_S = 0.05;
const TIE_S = 0.06;
const TIE_DIP_DB = 2;
const RESTRIKE_S = 0.024; // the note before sounds on for so long
const [LOWEST_PITCH, HIGHEST_PITCH] = [12, 120];

/** What a legato note continues: pitch and loudness of the note before, at its onset. */
interface Before {
  pitch: number;
  loudnessDb: number;
}

/** A note that a voice plays; times are in seconds of the performer. */
class PlayedNote {
  private releasedAt = Number.POSITIVE_INFINITY;
  private releasedDb = 0;

  constructor(
    readonly note: number,
    readonly shape: Shape,
    readonly startedAt: number,
    private readonly tied: Before | null,
    private readonly glide: number,
  ) {}

  get released(): boolean {
    return this.releasedAt < Number.POSITIVE_INFINITY;
  }

  release(now: number): void {
    if (this.released) return;
    this.releasedDb = this.loudnessDb(now);
    this.releasedAt = now;
  }

  /** Whether a released note has rung out. */
  isOver(now: number, silenceDb: number): boolean {
    return now - this.releasedAt > this.shape.ringS && this.loudnessDb(now) <= silenceDb;
  }

  loudnessDb(now: number): number {
    if (now >= this.releasedAt) return this.releasedDb + this.shape.releaseDb(now - this.releasedAt);
    const age = now - this.startedAt;
    if (!this.tied) return this.shape.loudnessDb(age + ONSET_S);
    const share = Math.min(1, age / TIE_S);
    const own = this.shape.loudnessDb(age + this.shape.attackS);
    const before = this.tied.loudnessDb;
    return before + share * (own - before) - TIE_DIP_DB * Math.sin(Math.PI * share) ** 2;
  }

  pitch(now: number): number {
    const age = now - this.startedAt;
    const own = this.note + this.shape.cents(age + (this.tied ? 0 : ONSET_S)) / 100;
    if (!this.tied) return own;
    const seconds = GLIDE_S * this.glide;
    const share = seconds > 0 ? 0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, age / seconds)) : 1;
    return this.tied.pitch + share * (own - this.tied.pitch);
  }
}

interface PlayedVoice {
  now: PlayedNote | null; // null: the voice is silent
  before: PlayedNote | null; // whose loudness the attack must not fall below at once
}

interface Held {
  note: number;
  velocity: number;
}

export class Performer implements Source {
  readonly active = Array<boolean>(VOICES).fill(false);
  readonly fresh = Array<boolean>(VOICES).fill(false);
  readonly f0Hz = new Float32Array(VOICES).fill(440);
  readonly loudnessDb = new Float32Array(VOICES).fill(FLOOR_DB);
  /** Voices at once: 1 is monophonic with legato. */
  polyphony = 1;
  bend = 0; // -1..1
  modulation = 0; // 0..1
  pressure = 0; // 0..1
  glide = 1; // times the usual one
  private pedal = false;
  private readonly held: Held[] = [];
  private readonly pedalled: number[] = [];
  private readonly voices = Array.from({ length: VOICES }, (): PlayedVoice => ({ now: null, before: null }));
  private frame = 0;
  private readonly playing: Playing;

  /** Takes the model's expression; voices are silent below `silenceDb`. */
  constructor(
    expression: Expression,
    private readonly silenceDb: number,
    private readonly frameRateHz: number,
  ) {
    this.playing = new Playing(expression);
  }

  /** A key goes down; velocity is 0..1. */
  noteOn(note: number, velocity: number): void {
    this.forget(note);
    this.held.push({ note, velocity });
    const voice = this.polyphony === 1 ? (this.voices[0] as PlayedVoice) : this.freeVoice(note);
    const legato = this.polyphony === 1 && this.held.length > 1 && this.playing.sustained;
    this.play(voice, note, velocity, legato);
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
    for (const { now } of this.voices) now?.release(this.seconds);
  }

  nextFrame(): number {
    const now = this.seconds;
    let count = 0;
    for (let v = 0; v < VOICES; v++) {
      const voice = this.voices[v] as PlayedVoice;
      if (this.active[v] && voice.now && this.isSilent(voice.now)) voice.now = null;
      this.fresh[v] = voice.now !== null && !this.active[v];
      this.active[v] = voice.now !== null;
      if (!voice.now) continue;
      count = v + 1;
      this.f0Hz[v] = this.pitchHz(voice.now);
      this.loudnessDb[v] = Math.max(FLOOR_DB, this.loudnessOf(voice, now) + DB_PER_PRESSURE * this.pressure);
    }
    this.frame += 1;
    return count;
  }

  /** The time of the next frame. */
  private get seconds(): number {
    return this.frame / this.frameRateHz;
  }

  private forget(note: number): void {
    const held = this.held.findIndex((each) => each.note === note);
    if (held >= 0) this.held.splice(held, 1);
    const pedalled = this.pedalled.indexOf(note);
    if (pedalled >= 0) this.pedalled.splice(pedalled, 1);
  }

  /** Begins a note; `legato` continues what the voice plays, unless that is released. */
  private play(voice: PlayedVoice, note: number, velocity: number, legato: boolean): void {
    const now = this.seconds;
    const shape = this.playing.shape(note, Math.max(1, Math.round(127 * velocity)));
    const last = voice.now;
    const tied = legato && last && !last.released ? { pitch: last.pitch(now), loudnessDb: last.loudnessDb(now) } : null;
    last?.release(now);
    voice.before = tied ? null : last;
    voice.now = new PlayedNote(note, shape, now, tied, this.glide);
  }

  /** The voice for a new note: the same note's, a silent one, one that is released, or the oldest. */
  private freeVoice(note: number): PlayedVoice {
    const some = this.voices.slice(0, this.polyphony);
    const rank = ({ now }: PlayedVoice) => (now?.note === note ? 0 : !now ? 1 : now.released ? 2 : 3);
    some.sort((a, b) => rank(a) - rank(b) || (a.now?.startedAt ?? 0) - (b.now?.startedAt ?? 0));
    return some[0] as PlayedVoice;
  }

  private release(note: number): void {
    for (const voice of this.voices) {
      if (voice.now?.note !== note) continue;
      const before = this.polyphony === 1 && this.playing.sustained ? this.held.at(-1) : undefined;
      if (before && !voice.now.released)
        this.play(voice, before.note, before.velocity, true); // the key still held
      else voice.now.release(this.seconds);
    }
  }

  private isSilent(note: PlayedNote): boolean {
    const now = this.seconds;
    if (note.released) return note.isOver(now, this.silenceDb);
    const isDecayed = !this.playing.sustained && now - note.startedAt > note.shape.attackS + RESTRIKE_S;
    return isDecayed && note.loudnessDb(now) <= this.silenceDb;
  }

  private loudnessOf({ now: note, before }: PlayedVoice, now: number): number {
    const own = (note as PlayedNote).loudnessDb(now);
    if (!before || now - (note as PlayedNote).startedAt >= RESTRIKE_S) return own;
    return Math.max(own, before.loudnessDb(now));
  }

  private pitchHz(note: PlayedNote): number {
    const now = this.seconds;
    const vibrato = (this.modulation * MODULATION_CENTS * Math.sin(2 * Math.PI * VIBRATO_HZ * now)) / 100;
    const pitch = note.pitch(now) + vibrato + BEND_RANGE * this.bend;
    return 440 * 2 ** ((Math.min(HIGHEST_PITCH, Math.max(LOWEST_PITCH, pitch)) - 69) / 12);
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
