// The worker of a timbre transfer: it keeps the page responsive.

import type { Model } from "./model";
import { analyse, fit, render } from "./transfer";

export interface Task {
  kernel: Uint8Array<ArrayBuffer>;
  model: Model;
  audio: Float32Array;
  rate: number;
}

export type Answer =
  | { type: "progress"; doing: string; share: number }
  | { type: "done"; audio: Float32Array<ArrayBuffer>; octaves: number }
  | { type: "failed"; reason: string };

const answer = (message: Answer, transfer: Transferable[] = []) => self.postMessage(message, { transfer });

self.onmessage = (event: MessageEvent<Task>) => {
  const { kernel, model, audio, rate } = event.data;
  try {
    const { header } = model;
    const features = analyse(audio, header.loudness, (share) =>
      answer({ type: "progress", doing: "Listening", share }),
    );
    const fitted = fit(features, header.f0_hz, header.loudness_db);
    if (!fitted) {
      answer({
        type: "failed",
        reason: "No pitch was found in this recording. Try one of a single voice or instrument.",
      });
      return;
    }
    const module = new WebAssembly.Module(kernel);
    const rendered = render(module, model, fitted, rate, (share) =>
      answer({ type: "progress", doing: "Playing", share }),
    );
    const whole = rendered.slice();
    answer({ type: "done", audio: whole, octaves: fitted.octaves }, [whole.buffer]);
  } catch (error) {
    answer({ type: "failed", reason: String(error) });
  }
};
