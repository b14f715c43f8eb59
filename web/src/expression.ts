// How a note is played: loudness, pitch and vibrato of a key, from the notes of the model's training.
//
// The same as components/play/playing.py, which says why. A test compares both.

export interface TrainingNote {
  pitch: number;
  velocity: number;
  loudness_db: number[];
  release_db: number[]; // may be empty
  cents: number[]; // may be empty
  vibrato_hz: number;
  vibrato_cents: number;
}

/** See components/artifacts/expression.py. */
export interface Expression {
  times_s: number[];
  release_s: number[];
  notes: TrainingNote[];
  lowest_pitch: number;
  highest_pitch: number;
  db_per_velocity: number;
  sustained: 0 | 1;
}

export const VIBRATO_HZ = 5.5; // that the modulation asks for
const PITCH_SEMITONES = 4; // standard deviations of the kernel
const VELOCITY_STEPS = 20;
const VIBRATO_FROM_S = 0.25;
const VIBRATO_FULL_S = 0.6;
const DECAY_OVER_S = 1;
const FASTEST_DECAY_DB_PER_S = 40;
const ATTACK_DB = 3;
const ATTACK_WITHIN_S = 0.6;
const END_OF_RELEASE_DB = -45;
const FALL_DB_PER_S = 400; // after what is known of a release

/** Linear interpolation; outside of `x`, the first or the last value. */
function interpolate(at: number, x: number[], y: number[]): number {
  const last = x.length - 1;
  if (at <= (x[0] as number)) return y[0] as number;
  if (at >= (x[last] as number)) return y[last] as number;
  let i = 1;
  while ((x[i] as number) < at) i += 1;
  const [a, b] = [x[i - 1] as number, x[i] as number];
  return (y[i - 1] as number) + ((at - a) / (b - a)) * ((y[i] as number) - (y[i - 1] as number));
}

const limited = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** The curves of one note, as functions of the seconds from its onset or its release. */
export class Shape {
  /** The time until the loudness is within 3 dB of the highest of the first 0.6 s. */
  readonly attackS: number;
  /** The time from the release until the note is 45 dB softer, or to the end of what is known. */
  readonly ringS: number;
  private readonly slope: number;

  constructor(
    private readonly timesS: number[],
    private readonly onsetDb: number[],
    private readonly releaseS: number[],
    private readonly fallingDb: number[],
    private readonly onsetCents: number[],
    private readonly vibratoHz: number,
    private readonly vibratoCents: number,
    sustained: boolean,
  ) {
    const early = onsetDb.filter((_, i) => (timesS[i] as number) <= ATTACK_WITHIN_S);
    const highest = Math.max(...early);
    this.attackS = timesS[early.findIndex((db) => db >= highest - ATTACK_DB)] as number;
    const low = fallingDb.findIndex((db) => db < END_OF_RELEASE_DB);
    this.ringS = (low < 0 ? releaseS.at(-1) : releaseS[low]) as number;
    const before = interpolate(Math.max(0, (timesS.at(-1) as number) - DECAY_OVER_S), timesS, onsetDb);
    const change = ((onsetDb.at(-1) as number) - before) / DECAY_OVER_S;
    this.slope = sustained ? 0 : limited(change, -FASTEST_DECAY_DB_PER_S, 0);
  }

  /** The loudness from the onset on; after the last known time it is held, or decays as before. */
  loudnessDb(seconds: number): number {
    const late = Math.max(0, seconds - (this.timesS.at(-1) as number));
    return interpolate(seconds, this.timesS, this.onsetDb) + this.slope * late;
  }

  /** The loudness from the release on, relative to that at the release; it falls fast where nothing is known. */
  releaseDb(seconds: number): number {
    const late = Math.max(0, seconds - (this.releaseS.at(-1) as number));
    return interpolate(seconds, this.releaseS, this.fallingDb) - FALL_DB_PER_S * late;
  }

  /** The pitch from the onset on, relative to the written one, with the vibrato. */
  cents(seconds: number): number {
    const share = limited((seconds - VIBRATO_FROM_S) / (VIBRATO_FULL_S - VIBRATO_FROM_S), 0, 1);
    const vibrato = this.vibratoCents * share * Math.sin(2 * Math.PI * this.vibratoHz * seconds);
    return interpolate(seconds, this.timesS, this.onsetCents) + vibrato;
  }
}

/** How a model's instrument is played. */
export class Playing {
  private readonly shapes = new Map<number, Shape>();
  private readonly plainRelease: number[];

  constructor(private readonly expression: Expression) {
    this.plainRelease = expression.release_s.map((s) => -60 * Math.min(s / 0.2, 1));
  }

  /** Whether a note lasts as long as it is played. */
  get sustained(): boolean {
    return this.expression.sustained === 1;
  }

  /** The curves of a note of a MIDI pitch and a velocity. */
  shape(pitch: number, velocity: number): Shape {
    const key = 128 * pitch + velocity;
    const shape = this.shapes.get(key) ?? this.mean(pitch, velocity);
    this.shapes.set(key, shape);
    return shape;
  }

  private mean(pitch: number, velocity: number): Shape {
    const { times_s, release_s, notes, db_per_velocity } = this.expression;
    const squares = notes.map(
      (each) => ((each.pitch - pitch) / PITCH_SEMITONES) ** 2 + ((each.velocity - velocity) / VELOCITY_STEPS) ** 2,
    );
    const nearest = Math.min(...squares);
    const raw = squares.map((square) => Math.exp(-0.5 * (square - nearest)));
    const total = raw.reduce((sum, each) => sum + each, 0);
    const weights = raw.map((each) => each / total);
    const weighted = (value: (note: TrainingNote) => number) =>
      notes.reduce((sum, note, i) => sum + (weights[i] as number) * value(note), 0);
    const louder = db_per_velocity * (velocity - weighted((note) => note.velocity));
    const depth = weighted((note) => note.vibrato_cents);
    const rate = depth > 0 ? weighted((note) => note.vibrato_cents * note.vibrato_hz) / depth : VIBRATO_HZ;
    return new Shape(
      times_s,
      times_s.map((_, t) => weighted((note) => note.loudness_db[t] as number) + louder),
      release_s,
      release_s.map((_, t) => weighted((note) => (note.release_db[t] ?? this.plainRelease[t]) as number)),
      times_s.map((_, t) => weighted((note) => note.cents[t] ?? 0)),
      rate,
      depth,
      this.sustained,
    );
  }
}
