// The page's side of the audio: the context, the worklet, and the messages to and from it.

import { type Model, unpacked } from "./model";
import { roomBuffer } from "./room";
import type { Command, Report } from "./worklet";

declare const WORKLET: string; // set by build.mjs
declare const KERNEL: string;

/** A problem that the page says in words. */
export class Trouble extends Error {}

export interface Recording {
  audio: Float32Array;
  sampleRate: number;
}

let kernelBytes: Promise<Uint8Array<ArrayBuffer>> | null = null;

/** The kernel's WebAssembly module, as bytes. */
export function kernel(): Promise<Uint8Array<ArrayBuffer>> {
  kernelBytes ??= unpacked(KERNEL);
  return kernelBytes;
}

/** A script of the page as a URL, without a request. Worklets of a page from disk cannot load blob: URLs. */
export function scriptUrl(text: string): string {
  return `data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`;
}

function microphoneProblem(error: unknown): string {
  const name = (error as { name?: string } | null)?.name ?? "";
  if (name === "NotAllowedError" || name === "SecurityError")
    return "The microphone was not allowed. Allow it for this page in the browser's settings, then choose Microphone again.";
  // WebKit without a microphone has the second one, which is no DOMException.
  if (name === "NotFoundError" || name === "OverconstrainedError")
    return "There is no microphone. Plug one in, then choose Microphone again.";
  if (name === "NotReadableError") return "The microphone is in use by another program, or does not answer.";
  return `The microphone cannot be opened: ${String(error)}`;
}

export class Sound {
  onReport: (report: Report) => void = () => {};
  onMicrophoneGone: () => void = () => {};
  context: AudioContext | null = null;
  node: AudioWorkletNode | null = null;
  private gain: GainNode | null = null;
  private convolver: ConvolverNode | null = null;
  private room: Float32Array | undefined;
  private stream: MediaStream | null = null;
  private microphone: MediaStreamAudioSourceNode | null = null;
  private starting: Promise<void> | null = null;
  private volume = 1;
  private readonly waiting: Command[] = [];
  private recorded: ((recording: Recording) => void) | null = null;
  private ready: (() => void) | null = null;

  constructor() {
    // A finger on a key may not start the sound yet: browsers allow it when the touch ends.
    for (const type of ["pointerup", "touchend", "click", "keydown"])
      window.addEventListener(type, () => this.resume(), { capture: true });
  }

  /** Starts the sound; browsers allow it after a click, a key or the end of a touch only. */
  start(): Promise<void> {
    this.starting ??= this.open();
    this.resume();
    return this.starting;
  }

  /** Goes on after a pause of the browser, such as that of a call on a phone ("interrupted"). */
  private resume(): void {
    const { context } = this;
    if (context && context.state !== "running") context.resume().catch(() => {}); // refused: the next touch asks again
  }

  get running(): boolean {
    return this.node !== null;
  }

  send(command: Command): void {
    if (this.node) this.node.port.postMessage(command);
    else this.waiting.push(command);
  }

  /** Gives the worklet another model; resolves when it plays it. */
  load(model: Model): Promise<void> {
    return new Promise((resolve) => {
      this.ready = resolve;
      this.send({ type: "model", model });
    });
  }

  /** Puts the instrument in a model's room, or in none. */
  async setRoom(response: Float32Array | undefined): Promise<void> {
    this.room = response;
    if (!this.context || !this.node || !this.gain) return;
    this.convolver?.disconnect();
    this.convolver = null;
    if (!response) return;
    const buffer = await roomBuffer(response, this.context.sampleRate);
    if (this.room !== response) return;
    this.convolver = new ConvolverNode(this.context, { disableNormalization: true, buffer });
    this.node.connect(this.convolver).connect(this.gain);
  }

  /** Connects the microphone to the worklet. */
  async listen(): Promise<void> {
    await this.start();
    if (!navigator.mediaDevices?.getUserMedia) throw new Trouble("This browser gives the page no microphone.");
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Trouble(microphoneProblem(error));
    }
    const { context, node } = this;
    if (!context || !node) return;
    this.microphone = new MediaStreamAudioSourceNode(context, { mediaStream: this.stream });
    this.microphone.connect(node);
    this.send({ type: "listen" });
    this.stream.getAudioTracks()[0]?.addEventListener("ended", () => this.onMicrophoneGone());
  }

  /** Lets the microphone go. */
  stopListening(): void {
    this.microphone?.disconnect();
    this.microphone = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.send({ type: "keys" });
  }

  setVolume(volume: number): void {
    this.volume = volume;
    if (this.gain && this.context) this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.01);
  }

  /** Records what the worklet plays from now on. */
  record(seconds: number): Promise<Recording> {
    return new Promise((resolve) => {
      this.recorded = resolve;
      this.send({ type: "record", seconds });
    });
  }

  private async open(): Promise<void> {
    if (typeof AudioWorkletNode === "undefined" || !window.isSecureContext) {
      throw new Trouble(
        "This page gets no sound here: browsers give it to pages from disk and from https:// only. Save the page and open the file.",
      );
    }
    const context = new AudioContext({ latencyHint: "interactive" });
    this.context = context;
    const resumed = context.resume();
    await context.audioWorklet.addModule(scriptUrl(WORKLET));
    const options = { outputChannelCount: [2], processorOptions: { kernel: await kernel() } };
    this.node = new AudioWorkletNode(context, "luthier-instrument", options);
    this.node.port.onmessage = (event) => this.hear(event.data);
    this.gain = new GainNode(context, { gain: this.volume });
    this.node.connect(this.gain).connect(context.destination);
    void this.setRoom(this.room);
    for (const command of this.waiting.splice(0)) this.node.port.postMessage(command);
    await resumed;
  }

  private hear(message: Report | { type: "ready" } | ({ type: "recorded" } & Recording)): void {
    if (message.type === "report") this.onReport(message);
    else if (message.type === "ready") this.ready?.();
    else this.recorded?.(message);
  }
}
