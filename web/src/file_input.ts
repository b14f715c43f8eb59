// An audio file on the page: decoded, transferred to the instrument's timbre, played, and offered as a WAV file.

import { kernel, scriptUrl, Trouble } from "./audio";
import type { Model } from "./model";
import { inRoom } from "./room";
import { RATE_HZ } from "./tracker";
import type { Answer, Task } from "./transfer_worker";
import { wavFile } from "./wav";

declare const TRANSFER: string; // set by build.mjs

const MOST_SECONDS = 600;
const OUTPUT_RATE_HZ = 48_000;

export interface Transferred {
  url: string;
  name: string;
  audio: Float32Array;
  octaves: number;
}

export class FileInput {
  private worker: Worker | null = null;

  /** Transfers a file; an earlier transfer that still runs is given up. */
  async transfer(file: File, model: Model, onProgress: (text: string) => void): Promise<Transferred> {
    this.worker?.terminate();
    onProgress("Reading the file.");
    const audio = await decoded(file);
    const { rendered, octaves } = await this.work(
      { kernel: await kernel(), model, audio, rate: OUTPUT_RATE_HZ },
      onProgress,
    );
    const response = model.arrays.get("room");
    const whole = response ? await inRoom(rendered, response, OUTPUT_RATE_HZ) : rendered;
    const name = `${file.name.replace(/\.[^.]*$/, "")}-${model.header.family}-${model.header.synth}.wav`;
    return { url: URL.createObjectURL(wavFile(levelled(whole), OUTPUT_RATE_HZ)), name, audio: whole, octaves };
  }

  private work(task: Task, onProgress: (text: string) => void): Promise<{ rendered: Float32Array; octaves: number }> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(scriptUrl(TRANSFER));
      this.worker = worker;
      worker.onerror = (event) => reject(new Trouble(`The transfer failed: ${event.message}`));
      worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        if (data.type === "progress") onProgress(`${data.doing}: ${Math.round(100 * data.share)} %`);
        else {
          worker.terminate();
          if (data.type === "done") resolve({ rendered: data.audio, octaves: data.octaves });
          else reject(new Trouble(data.reason));
        }
      };
      worker.postMessage(task);
    });
  }
}

/** The length of a file in seconds, without decoding it; NaN where the browser does not know. */
function secondsOf(file: File): Promise<number> {
  const url = URL.createObjectURL(file);
  const media = new Audio();
  return new Promise<number>((resolve) => {
    media.onloadedmetadata = () => resolve(media.duration);
    media.onerror = () => resolve(Number.NaN);
    media.src = url;
  }).finally(() => URL.revokeObjectURL(url));
}

function checkLength(name: string, seconds: number): void {
  if (!(seconds > MOST_SECONDS) || seconds === Number.POSITIVE_INFINITY) return; // a stream may have no length
  const minutes = (seconds / 60).toFixed(1);
  throw new Trouble(`"${name}" has ${minutes} minutes: the page takes up to ${MOST_SECONDS / 60}. Cut it first.`);
}

/** Decodes a file to mono at 16 kHz. */
async function decoded(file: File): Promise<Float32Array> {
  if (file.size > 0) checkLength(file.name, await secondsOf(file)); // before hours of sound fill the memory
  let buffer: AudioBuffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Trouble(`"${file.name}" cannot be read as audio. Try a WAV, FLAC, MP3 or OGG file.`);
  }
  checkLength(file.name, buffer.duration);
  const mono = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    const channel = buffer.getChannelData(c);
    for (let j = 0; j < mono.length; j++)
      mono[j] = (mono[j] as number) + (channel[j] as number) / buffer.numberOfChannels;
  }
  return mono;
}

/** Lowers a sound that would clip. */
function levelled(audio: Float32Array): Float32Array {
  let peak = 0;
  for (const value of audio) peak = Math.max(peak, Math.abs(value));
  return peak > 1 ? audio.map((value) => value / peak) : audio;
}
