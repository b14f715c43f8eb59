// A WAV file of 16-bit samples, mono.

export function wavFile(audio: Float32Array, sampleRate: number): Blob {
  const bytes = new ArrayBuffer(44 + 2 * audio.length);
  const view = new DataView(bytes);
  const text = (offset: number, value: string) => {
    for (let i = 0; i < value.length; i++) view.setUint8(offset + i, value.charCodeAt(i));
  };
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * audio.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * audio.length, true);
  for (let i = 0; i < audio.length; i++)
    view.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, audio[i] as number)) * 32_767), true);
  return new Blob([bytes], { type: "audio/wav" });
}
