// The drawn keyboard: one button for each key, for mouse, touch, and the keyboard alone (arrow keys, Space or Enter).

import { keyLabel, type Player } from "./keys";

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const BLACK = new Set([1, 3, 6, 8, 10]);

/** The name of a note, such as A4. */
export function noteName(note: number): string {
  return `${NAMES[note % 12]}${Math.floor(note / 12) - 1}`;
}

export class DrawnKeyboard {
  private readonly keys = new Map<number, HTMLButtonElement>();
  private readonly pointers = new Map<number, number>();
  private lowest = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly player: Player,
  ) {
    element.addEventListener("pointerdown", (event) => this.pointerDown(event));
    element.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"] as const)
      element.addEventListener(type, (event) => this.pointerUp(event));
    element.addEventListener("keydown", (event) => this.keyDown(event));
    element.addEventListener("keyup", (event) => this.keyUp(event));
    element.addEventListener("focusout", () => this.liftFocused());
  }

  /** Draws some octaves from a C on; `labelled` is the C of the computer keys' lower row. */
  draw(lowest: number, octaves: number, labelled: number, range: [low: number, high: number]): void {
    this.lowest = lowest;
    this.keys.clear();
    this.element.replaceChildren();
    const notes = Array.from({ length: 12 * octaves + 1 }, (_, i) => lowest + i);
    const white = notes.filter((note) => !BLACK.has(note % 12)).length;
    this.element.style.setProperty("--white", String(white));
    let whites = 0;
    for (const note of notes) {
      const key = document.createElement("button");
      const black = BLACK.has(note % 12);
      key.type = "button";
      key.className = black ? "black" : "white";
      key.classList.toggle("outside", note < range[0] || note > range[1]);
      key.style.setProperty("--at", String(whites));
      key.tabIndex = note === lowest ? 0 : -1;
      key.dataset.note = String(note);
      key.setAttribute("aria-label", noteName(note));
      const label = note % 12 === 0 ? noteName(note) : "";
      key.innerHTML = `<kbd>${keyLabel(note - labelled)}</kbd><span>${label}</span>`;
      this.element.append(key);
      this.keys.set(note, key);
      if (!black) whites += 1;
    }
  }

  /** Shows a note as pressed or not. */
  show(note: number, pressed: boolean): void {
    this.keys.get(note)?.classList.toggle("pressed", pressed);
  }

  private noteAt(event: PointerEvent): number | null {
    const key = document.elementFromPoint(event.clientX, event.clientY)?.closest<HTMLElement>("[data-note]");
    return key && this.element.contains(key) ? Number(key.dataset.note) : null;
  }

  /** The nearer to the front edge of a key, the louder. */
  private velocity(event: PointerEvent, note: number): number {
    const box = (this.keys.get(note) as HTMLElement).getBoundingClientRect();
    return Math.min(1, Math.max(0.2, 0.25 + (0.75 * (event.clientY - box.top)) / box.height));
  }

  private pointerDown(event: PointerEvent): void {
    const note = this.noteAt(event);
    if (note === null || event.button !== 0) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId); // a pointer that leaves the keyboard still lifts its key
    this.pointers.set(event.pointerId, note);
    this.player.noteOn(note, this.velocity(event, note));
  }

  private pointerMove(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    const note = this.noteAt(event);
    if (note === null || note === before) return;
    this.pointers.set(event.pointerId, note);
    this.player.noteOn(note, this.velocity(event, note));
    this.lift(before);
  }

  private pointerUp(event: PointerEvent): void {
    const note = this.pointers.get(event.pointerId);
    if (note === undefined) return;
    this.pointers.delete(event.pointerId);
    this.lift(note);
  }

  /** Ends a note, unless another finger is on its key. */
  private lift(note: number): void {
    if (![...this.pointers.values()].includes(note)) this.player.noteOff(note);
  }

  private focused: number | null = null;

  private keyDown(event: KeyboardEvent): void {
    const note = Number((event.target as HTMLElement).dataset.note);
    if (Number.isNaN(note)) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 12, ArrowDown: -12, Home: -128, End: 128 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      const highest = this.lowest + this.keys.size - 1;
      const key = this.keys.get(Math.min(highest, Math.max(this.lowest, note + by)));
      for (const each of this.keys.values()) each.tabIndex = -1;
      if (key) key.tabIndex = 0;
      key?.focus();
    } else if ((event.key === " " || event.key === "Enter") && !event.repeat) {
      event.preventDefault();
      this.focused = note;
      this.player.noteOn(note, 0.7);
    }
  }

  private keyUp(event: KeyboardEvent): void {
    if (event.key === " " || event.key === "Enter") this.liftFocused();
  }

  private liftFocused(): void {
    if (this.focused !== null) this.player.noteOff(this.focused);
    this.focused = null;
  }
}
