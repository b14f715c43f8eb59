// The computer's keys as two rows of a piano, by the place of the key and not by its letter: Z is C, and Q the C above.

const LOWER = ["KeyZ", "KeyS", "KeyX", "KeyD", "KeyC", "KeyV", "KeyG", "KeyB", "KeyH", "KeyN", "KeyJ", "KeyM"];
const LOWER_END = ["Comma", "KeyL", "Period", "Semicolon", "Slash"];
const UPPER = [
  "KeyQ",
  "Digit2",
  "KeyW",
  "Digit3",
  "KeyE",
  "KeyR",
  "Digit5",
  "KeyT",
  "Digit6",
  "KeyY",
  "Digit7",
  "KeyU",
];
const UPPER_END = ["KeyI", "Digit9", "KeyO", "Digit0", "KeyP", "BracketLeft", "Equal", "BracketRight"];

const OFFSETS = new Map<string, number>();
for (const [offset, codes] of [
  [0, [...LOWER, ...LOWER_END]],
  [12, [...UPPER, ...UPPER_END]],
] as const) {
  for (const [index, code] of codes.entries()) OFFSETS.set(code, offset + index);
}

const LABELS = new Map(
  [...OFFSETS]
    .map(([code, offset]) => [offset, code.replace(/^(Key|Digit)/, "")] as const)
    .filter(([, label]) => label.length === 1),
);

/** The letter of the key that plays a note above the lowest C, or "". */
export function keyLabel(offset: number): string {
  return LABELS.get(offset) ?? "";
}

export interface Player {
  noteOn(note: number, velocity: number): void;
  noteOff(note: number): void;
}

/** Plays notes with the computer's keys. */
export class ComputerKeys {
  private readonly down = new Map<string, number>();

  constructor(
    private readonly player: Player,
    private readonly lowest: () => number, // MIDI number of the lower row's C
    private readonly moveOctave: (by: number) => void,
  ) {
    window.addEventListener("keydown", (event) => this.press(event));
    window.addEventListener("keyup", (event) => this.lift(event.code));
    window.addEventListener("blur", () => {
      for (const code of [...this.down.keys()]) this.lift(code);
    });
  }

  private press(event: KeyboardEvent): void {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyped(event.target)) return;
    if (event.code === "Minus" || event.code === "Backspace") {
      if (event.code === "Minus") this.moveOctave(-1);
      return;
    }
    if (event.code === "Backslash") {
      this.moveOctave(1);
      return;
    }
    const offset = OFFSETS.get(event.code);
    if (offset === undefined || this.down.has(event.code)) return;
    event.preventDefault();
    const note = this.lowest() + offset;
    this.down.set(event.code, note);
    this.player.noteOn(note, event.shiftKey ? 1 : 0.7);
  }

  private lift(code: string): void {
    const note = this.down.get(code);
    if (note === undefined) return;
    this.down.delete(code);
    this.player.noteOff(note);
  }
}

/** Whether a key press belongs to a control that takes letters. */
function isTyped(target: EventTarget | null): boolean {
  return target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type === "text");
}
