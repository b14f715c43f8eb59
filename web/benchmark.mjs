// Measures the time that the audio thread takes for a quantum of 128 samples, without a browser.
//
//   node benchmark.mjs PAGE...     pages of `luthier export --format web`; the models of each, with one and four voices
//
// A quantum has 128 / 48,000 s. Measured is the processor's time, so that other programs on the machine matter little; the
// longest of thousands has the work of the engine's other threads in it, so p99 is shown beside it.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const RATE_HZ = 48_000;
const QUANTUM = 128;
const DEADLINE_MS = (1000 * QUANTUM) / RATE_HZ;
const SECONDS = 10;

const scratch = mkdtempSync(join(tmpdir(), "luthier-"));
const wasm = join(scratch, "kernel.wasm");
const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--use", "abort=", "-o", wasm];
execFileSync(process.execPath, [
  join(here, "node_modules/assemblyscript/bin/asc.js"),
  join(here, "kernel/index.ts"),
  ...options,
]);
const bundled = join(scratch, "engine.mjs");
await build({
  stdin: {
    contents: 'export { Engine } from "./engine"; export { readModel } from "./model";',
    resolveDir: join(here, "src"),
  },
  bundle: true,
  format: "esm",
  outfile: bundled,
});
const { Engine, readModel } = await import(pathToFileURL(bundled));
const module = new WebAssembly.Module(readFileSync(wasm));
rmSync(scratch, { recursive: true });

/** Voices that play a chord with vibrato. */
class Chord {
  active = [false, false, false, false];
  fresh = [false, false, false, false];
  f0Hz = new Float32Array(4).fill(440);
  loudnessDb = new Float32Array(4).fill(-25);
  frame = 0;

  constructor(voices) {
    this.voices = voices;
  }

  nextFrame() {
    for (let v = 0; v < this.voices; v++) {
      this.fresh[v] = !this.active[v];
      this.active[v] = true;
      this.f0Hz[v] = 220 * 2 ** ((4 * v + 0.2 * Math.sin(this.frame / 8)) / 12);
    }
    this.frame += 1;
    return this.voices;
  }
}

function measure(model, voices) {
  const [engine, source, out] = [new Engine(module, model, RATE_HZ), new Chord(voices), new Float32Array(QUANTUM)];
  const times = [];
  for (let i = 0; i < (SECONDS * RATE_HZ) / QUANTUM; i++) {
    const before = process.cpuUsage();
    engine.render(out, source);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  const sorted = times.slice(500).sort((a, b) => a - b); // the first ones are compiled
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { mean: sorted.reduce((sum, each) => sum + each, 0) / sorted.length, p99: at(0.99), longest: at(1) };
}

console.log("model | voices | mean ms | p99 ms | p99 of the deadline | longest ms");
for (const path of process.argv.slice(2)) {
  for (const [, name, text] of readFileSync(path, "utf8").matchAll(/class="model" data-name="([^"]*)">([^<]*)</g)) {
    const model = await readModel(text);
    for (const voices of [1, 4]) {
      const { mean, p99, longest } = measure(model, voices);
      const share = `${Math.round((100 * p99) / DEADLINE_MS)} %`;
      console.log(
        [`${name}, ${model.header.preset}`, voices, mean.toFixed(3), p99.toFixed(3), share, longest.toFixed(3)].join(
          " | ",
        ),
      );
    }
  }
}
