// The page: chooses the instrument and what plays it, and shows what it does.

import { kernel, type Recording, Sound, Trouble } from "./audio";
import { Engine } from "./engine";
import { FileInput } from "./file_input";
import { DrawnKeyboard, noteName } from "./keyboard";
import { ComputerKeys } from "./keys";
import { Midi } from "./midi";
import { type Header, type Model, readModel } from "./model";
import { Curves, Performer } from "./performer";
import { Pictures } from "./pictures";
import { inRoom } from "./room";
import { analyse } from "./transfer";
import type { Report } from "./worklet";

type Input = "keys" | "midi" | "microphone" | "file";

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const QUIET_DB = -55; // of the microphone's level: below, there is no signal

/** A pitch as a note and cents. */
function pitchName(hz: number): string {
  const note = 12 * Math.log2(hz / 440) + 69;
  const cents = Math.round(100 * (note - Math.round(note)));
  return `${noteName(Math.round(note))} ${cents < 0 ? "−" : "+"}${Math.abs(cents)} cents`;
}

class Page {
  private readonly sound = new Sound();
  private readonly scripts = [...document.querySelectorAll<HTMLScriptElement>("script.model")];
  private readonly models = new Map<number, Promise<Model>>();
  private readonly pictures = new Pictures(find("curves"), find("spectrum"));
  private readonly keyboard = new DrawnKeyboard(find("keyboard"), this);
  private readonly midi = new Midi(this);
  private readonly files = new FileInput();
  private chosen = 0;
  private header: Header | null = null;
  private octave = 4;
  private loadMs = 0;

  constructor() {
    new ComputerKeys(
      this,
      () => 12 * (this.octave + 1),
      (by) => this.moveOctave(by),
    );
    this.sound.onReport = (report) => this.show(report);
    this.fillModels();
    this.connectSettings();
    this.connectInputs();
    this.connectFiles();
    this.sound.onMicrophoneGone = () =>
      this.say(new Trouble("The microphone has gone. Plug it in, then choose it again."));
    this.midi.onDevices = (devices, chosen) => {
      const select = find<HTMLSelectElement>("device");
      select.replaceChildren(...devices.map(({ id, name }) => new Option(name, id, false, id === chosen)));
    };
    new ResizeObserver(() => this.drawKeyboard()).observe(find("keyboard"));
    void this.choose(0);
  }

  /** The model with a number. */
  model(number: number): Promise<Model> {
    let model = this.models.get(number);
    if (!model) {
      model = readModel((this.scripts[number] as HTMLScriptElement).text);
      this.models.set(number, model);
    }
    return model;
  }

  noteOn(note: number, velocity: number): void {
    this.keyboard.show(note, true);
    this.begin();
    this.sound.send({ type: "on", note, velocity, sentAt: Date.now() });
  }

  noteOff(note: number): void {
    this.keyboard.show(note, false);
    this.sound.send({ type: "off", note });
  }

  set(control: "bend" | "modulation" | "pressure", value: number): void {
    this.sound.send({ type: control, value });
  }

  pedal(down: boolean): void {
    this.sound.send({ type: "pedal", down });
  }

  allOff(): void {
    this.sound.send({ type: "allOff" });
    for (const key of document.querySelectorAll("#keyboard .pressed")) key.classList.remove("pressed");
  }

  /** Records the sound of the page, for tests. */
  record(seconds: number): Promise<Recording> {
    return this.sound.record(seconds);
  }

  /** Whether a note sounds, and how many voices. */
  get sounding(): boolean {
    return this.latest?.sounding ?? false;
  }

  get soundingVoices(): number {
    return this.latest?.voices ?? 0;
  }

  /** What the page has counted and measured. */
  get numbers(): { loadMs: number; attackMs: number; load: number; underruns: number; sampleRate: number } {
    const { attackMs = 0, load = 0, underruns = 0 } = this.latest ?? {};
    return { loadMs: this.loadMs, attackMs, load, underruns, sampleRate: this.sound.context?.sampleRate ?? 0 };
  }

  /** Renders curves with a model, in this thread; noise replaces the random numbers. `frameMs` is the median time of a frame. */
  async render(number: number, f0Hz: number[], loudnessDb: number[], rate: number, noise?: number[]) {
    const model = await this.model(number);
    const engine = new Engine(new WebAssembly.Module(await kernel()), model, rate);
    let drawn = 0;
    if (noise) {
      engine.noise.source = (to) => {
        for (let j = 0; j < to.length; j++) to[j] = noise[drawn++] ?? 0;
      };
    }
    const source = new Curves(f0Hz, loudnessDb);
    const hop = rate / model.header.frame_rate_hz;
    const audio: number[] = [];
    const controls: {
      f0Hz: number;
      amplitude: number;
      partials: number[];
      frequenciesHz: number[];
      table: number[];
      magnitudes: number[];
    }[] = [];
    const part = new Float32Array(Math.ceil(hop));
    const times: number[] = [];
    for (let frame = 0; frame < f0Hz.length; frame++) {
      const samples = part.subarray(0, Math.ceil((frame + 1) * hop) - Math.ceil(frame * hop));
      const began = performance.now();
      engine.render(samples, source);
      times.push(performance.now() - began);
      audio.push(...samples);
      const { own } = engine.voices[0] as Engine["voices"][number];
      const lists = { partials: [...own.partials], frequenciesHz: [...own.frequenciesHz], table: [...own.table] };
      controls.push({ f0Hz: own.f0Hz, amplitude: own.amplitude, magnitudes: [...own.magnitudes], ...lists });
    }
    return { audio, controls, frameMs: times.sort((a, b) => a - b)[times.length >> 1] };
  }

  /** The curves of keys, frame by frame, for tests. `velocity` is 0..1, and 0 when the key goes up. */
  async perform(number: number, keys: { frame: number; note: number; velocity: number }[], frames: number) {
    const { header } = await this.model(number);
    const performer = new Performer(header.expression, header.silence_db, header.frame_rate_hz);
    const curves = { f0Hz: [] as number[], loudnessDb: [] as number[], sounding: [] as boolean[] };
    for (let frame = 0; frame < frames; frame++) {
      for (const { note, velocity } of keys.filter((key) => key.frame === frame)) {
        if (velocity > 0) performer.noteOn(note, velocity);
        else performer.noteOff(note);
      }
      performer.nextFrame();
      curves.f0Hz.push(performer.f0Hz[0] as number);
      curves.loudnessDb.push(performer.loudnessDb[0] as number);
      curves.sounding.push(performer.active[0] as boolean);
    }
    return curves;
  }

  /** A sound in a model's room, for tests. */
  async inRoom(number: number, audio: number[], rate: number): Promise<number[]> {
    const { arrays } = await this.model(number);
    return [...(await inRoom(Float32Array.from(audio), arrays.get("room") ?? new Float32Array(0), rate))];
  }

  /** The tracks of a recording at 16 kHz, for tests. */
  track(audio: number[], definition: string): { f0Hz: number[]; loudnessDb: number[]; confidence: number[] } {
    const { f0Hz, loudnessDb, confidence } = analyse(Float32Array.from(audio), definition, () => {});
    return { f0Hz: [...f0Hz], loudnessDb: [...loudnessDb], confidence: [...confidence] };
  }

  private latest: Report | null = null;

  private begin(): void {
    this.sound.start().catch((error: unknown) => this.say(error));
  }

  private say(problem: unknown): void {
    const text = problem instanceof Trouble ? problem.message : problem ? `Something failed: ${String(problem)}` : "";
    find("message").textContent = text;
  }

  private fillModels(): void {
    const select = find<HTMLSelectElement>("model");
    select.replaceChildren(...this.scripts.map((script, i) => new Option(script.dataset.name, String(i))));
    select.addEventListener("change", () => void this.choose(select.selectedIndex));
  }

  private async choose(number: number): Promise<void> {
    this.chosen = number;
    const began = performance.now();
    try {
      const model = await this.model(number);
      if (this.chosen !== number) return;
      this.header = model.header;
      this.allOff();
      void this.sound.load(model);
      void this.sound.setRoom(model.arrays.get("room"));
      this.loadMs = performance.now() - began;
      this.describe(model);
    } catch (error) {
      this.say(error);
    }
  }

  private describe(model: Model): void {
    const { header } = model;
    const name = this.scripts[this.chosen]?.dataset.name ?? header.name;
    find("title").textContent = name;
    document.title = `${name} – Luthier`;
    find("spectrum-title").textContent =
      header.synth === "wavetable" ? "One period of the waveform" : "Partials and noise, 0 to 8 kHz";
    const median = Math.round(12 * Math.log2(header.f0_hz.median / 440) + 69);
    this.octave = Math.min(7, Math.max(1, Math.floor(median / 12) - 1));
    this.pictures.setModel(header);
    this.drawKeyboard();
    this.sound.send({ type: "polyphony", value: Number(find<HTMLSelectElement>("voices").value) });
    const [low, high] = this.range();
    const facts: [string, string][] = [
      ["Family", header.family],
      ["Synthesizer", header.synth],
      ["Preset", header.preset || "not known"],
      ["Trained on", `${noteName(low)} to ${noteName(high)}`],
      ["Frames", `${header.frame_rate_hz} a second`],
    ];
    find("facts").replaceChildren(
      ...facts.map(([term, value]) => {
        const entry = document.createElement("div");
        const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
        dt.textContent = term;
        dd.textContent = value;
        entry.append(dt, dd);
        return entry;
      }),
    );
  }

  private range(): [number, number] {
    const { lowest_pitch = 0, highest_pitch = 127 } = this.header?.expression ?? {};
    return [lowest_pitch, highest_pitch];
  }

  private drawKeyboard(): void {
    const wide = find("keyboard").clientWidth;
    const octaves = wide < 480 ? 1 : wide < 800 ? 2 : 3;
    const lowest = 12 * (this.octave + 1);
    this.keyboard.draw(lowest, octaves, lowest, this.range());
    find("octave").textContent = String(this.octave);
  }

  private moveOctave(by: number): void {
    this.octave = Math.min(7, Math.max(0, this.octave + by));
    this.drawKeyboard();
  }

  private connectSettings(): void {
    find("lower").addEventListener("click", () => this.moveOctave(-1));
    find("higher").addEventListener("click", () => this.moveOctave(1));
    const value = (event: Event) => Number((event.target as HTMLInputElement).value);
    find("voices").addEventListener("change", (event) => this.sound.send({ type: "polyphony", value: value(event) }));
    find("glide").addEventListener("input", (event) => this.sound.send({ type: "glide", value: value(event) }));
    find("vibrato").addEventListener("input", (event) => this.set("modulation", value(event)));
    find("volume").addEventListener("input", (event) => this.sound.setVolume(value(event)));
  }

  private connectInputs(): void {
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=input]"))
      radio.addEventListener("change", () => void this.playWith(radio.value as Input));
    find<HTMLSelectElement>("device").addEventListener("change", (event) =>
      this.midi.choose((event.target as HTMLSelectElement).value),
    );
  }

  /** Opens an input; keys always play as well, except while the microphone does. */
  private async playWith(input: Input): Promise<void> {
    this.say(null);
    for (const panel of ["midi", "microphone", "file"]) find(`panel-${panel}`).hidden = panel !== input;
    this.allOff();
    try {
      this.sound.stopListening();
      if (input === "midi") {
        this.begin();
        await this.midi.open();
      } else if (input === "microphone") await this.sound.listen();
    } catch (error) {
      this.say(error);
    }
  }

  private connectFiles(): void {
    const [drop, input] = [find("drop"), find<HTMLInputElement>("file")];
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) void this.transfer(file);
      input.value = "";
    });
    // A file may be dropped anywhere.
    window.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    window.addEventListener("dragleave", () => drop.classList.remove("over"));
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      find<HTMLInputElement>("input-file").click();
      void this.transfer(file);
    });
  }

  private async transfer(file: File): Promise<void> {
    const progress = find("progress");
    find("result").hidden = true;
    this.say(null);
    try {
      const model = await this.model(this.chosen);
      const done = await this.files.transfer(file, model, (text) => {
        progress.textContent = text;
      });
      const { octaves } = done;
      const moved = octaves
        ? `, ${Math.abs(octaves)} octave${Math.abs(octaves) > 1 ? "s" : ""} ${octaves > 0 ? "higher" : "lower"}`
        : "";
      progress.textContent = `${file.name}, played by ${this.scripts[this.chosen]?.dataset.name}${moved}.`;
      find<HTMLAudioElement>("player").src = done.url;
      const link = find<HTMLAnchorElement>("download");
      link.href = done.url;
      link.download = done.name;
      find("result").hidden = false;
    } catch (error) {
      progress.textContent = "";
      this.say(error);
    }
  }

  private showHeard(report: Report): void {
    const { heardHz, heardDb } = report;
    find<HTMLMeterElement>("meter").value = heardDb;
    const quiet = heardDb < QUIET_DB ? "No signal." : "A sound without a clear pitch.";
    find("heard").textContent = heardHz > 0 ? `Hearing ${pitchName(heardHz)}.` : quiet;
  }

  private show(report: Report): void {
    this.latest = report;
    if (!find("panel-microphone").hidden) this.showHeard(report);
    this.pictures.add(report);
    find("now").textContent = report.sounding ? `${pitchName(report.f0Hz)}, ${report.loudnessDb.toFixed(0)} dB` : "";
    find("underruns").textContent = String(report.underruns);
    find("load").textContent = `${Math.round(100 * report.load)} %`;
    const { context } = this.sound;
    if (!context) return;
    // Not outputLatency: Firefox 153 on Linux waits for the audio thread when it is read, and the page freezes.
    const buffer = Math.round(1000 * (context.baseLatency || 0));
    const then = buffer ? `, then at least ${buffer} ms to the device` : "";
    find("latency").textContent = report.attackMs ? `${Math.round(report.attackMs)} ms${then}` : "play a note";
    find("rate").textContent = `${context.sampleRate / 1000} kHz`;
  }
}

declare global {
  interface Window {
    luthier: Page;
  }
}

window.luthier = new Page();
