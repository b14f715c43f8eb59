// The room of a model with a reverb: its impulse response at the device's rate.

import { RATE_HZ } from "./tracker";

/** Returns what a ConvolverNode, without normalisation, adds to the dry sound. */
export async function roomBuffer(response: Float32Array, rate: number): Promise<AudioBuffer> {
  const at16k = new Float32Array(response.length + 1);
  at16k.set(response, 1); // the response begins one sample late
  const offline = new OfflineAudioContext(1, Math.ceil((at16k.length * rate) / RATE_HZ), rate);
  const buffer = new AudioBuffer({ length: at16k.length, sampleRate: RATE_HZ });
  buffer.copyToChannel(at16k, 0);
  const source = new AudioBufferSourceNode(offline, { buffer });
  source.connect(offline.destination);
  source.start();
  const resampled = await offline.startRendering();
  const samples = resampled.getChannelData(0);
  for (let j = 0; j < samples.length; j++) samples[j] = ((samples[j] as number) * RATE_HZ) / rate;
  return resampled;
}

/** Adds a room to a finished sound. */
export async function inRoom(audio: Float32Array, response: Float32Array, rate: number): Promise<Float32Array> {
  const room = await roomBuffer(response, rate);
  const offline = new OfflineAudioContext(1, audio.length + room.length, rate);
  const buffer = new AudioBuffer({ length: audio.length, sampleRate: rate });
  buffer.copyToChannel(new Float32Array(audio), 0);
  const source = new AudioBufferSourceNode(offline, { buffer });
  const convolver = new ConvolverNode(offline, { disableNormalization: true, buffer: room });
  source.connect(offline.destination);
  source.connect(convolver).connect(offline.destination);
  source.start();
  return (await offline.startRendering()).getChannelData(0);
}
