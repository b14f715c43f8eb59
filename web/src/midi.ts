// Web MIDI: notes, velocity, pitch bend, modulation, aftertouch, sustain pedal; devices may come and go.

import { Trouble } from "./audio";

export interface MidiPlayer {
  noteOn(note: number, velocity: number): void;
  noteOff(note: number): void;
  set(control: "bend" | "modulation" | "pressure", value: number): void;
  pedal(down: boolean): void;
  allOff(): void;
}

const EVERY = "every";

export class Midi {
  onDevices: (devices: { id: string; name: string }[], chosen: string) => void = () => {};
  private access: MIDIAccess | null = null;
  private chosen = EVERY;
  private connected = new Set<string>();

  constructor(private readonly player: MidiPlayer) {}

  /** Asks for MIDI devices. */
  async open(): Promise<void> {
    if (!navigator.requestMIDIAccess) {
      throw new Trouble(
        "This browser has no Web MIDI for this page. Chrome and Edge have it; Firefox has it for pages from a web server and not from disk.",
      );
    }
    try {
      this.access = await navigator.requestMIDIAccess({ sysex: false });
    } catch {
      throw new Trouble(
        "MIDI was not allowed. Allow MIDI devices for this page in the browser's settings, then choose MIDI again.",
      );
    }
    this.access.onstatechange = () => this.attach();
    this.attach();
  }

  /** Listens to one device, or to every one. */
  choose(id: string): void {
    this.chosen = id;
    this.player.allOff();
    this.attach();
  }

  private attach(): void {
    if (!this.access) return;
    const inputs = [...this.access.inputs.values()].filter((input) => input.state === "connected");
    const ids = new Set(inputs.map((input) => input.id));
    if ([...this.connected].some((id) => !ids.has(id))) this.player.allOff(); // none of its keys stays down
    this.connected = ids;
    if (!ids.has(this.chosen)) this.chosen = EVERY;
    for (const input of this.access.inputs.values()) {
      const heard = this.chosen === EVERY || input.id === this.chosen;
      input.onmidimessage = heard ? (event) => this.hear(event.data) : null;
    }
    const devices = inputs.map((input) => ({ id: input.id, name: input.name || "MIDI device" }));
    this.onDevices([{ id: EVERY, name: "every device" }, ...devices], this.chosen);
  }

  /** Obeys one message. */
  hear(data: Uint8Array | null): void {
    if (!data || data.length < 2) return;
    const [status, first, second = 0] = data as unknown as [number, number, number?];
    const { player } = this;
    switch (status >> 4) {
      case 0x8:
        player.noteOff(first);
        break;
      case 0x9:
        if (second > 0) player.noteOn(first, second / 127);
        else player.noteOff(first);
        break;
      case 0xa: // polyphonic aftertouch
        player.set("pressure", second / 127);
        break;
      case 0xd:
        player.set("pressure", first / 127);
        break;
      case 0xe:
        player.set("bend", Math.max(-1, ((second << 7) + first - 8192) / 8191));
        break;
      case 0xb:
        if (first === 1) player.set("modulation", second / 127);
        else if (first === 64) player.pedal(second >= 64);
        else if (first === 120 || first === 123) player.allOff();
    }
  }
}
