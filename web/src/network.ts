// The control network: a stack of dense layers for each input, a GRU, a stack after it. Up to four voices at once.
//
// A frame is a list of slices of some ten microseconds each, which the caller spreads over time.

import type { Block, Kernel } from "./kernel";
import type { Header, Model } from "./model";

export const VOICES = 4;

interface Dense {
  weights: number;
  bias: number;
  rows: number;
  columns: number;
}

interface Layer extends Dense {
  gamma: number;
  beta: number;
}

/** An array with one row for each voice. */
interface Rows {
  block: Block;
  stride: number;
}

const SLICE = 65_536; // products
const NORM_COST = 8; // of a number in a layer norm, in products
const GATES_COST = 64;

const quad = (size: number) => 4 * Math.ceil(size / 4);

/** Returns how many float32 numbers a network takes in the kernel's memory, generously. */
export function networkFloats(model: Model): number {
  let total = 65_536;
  for (const { shape } of model.header.arrays) {
    const columns = quad((shape[1] ?? shape[0]) as number);
    total += (shape.length === 2 ? (shape[0] as number) : 1) * columns + 16;
  }
  return total + VOICES * 16 * (model.header.units + 4096);
}

export class Network {
  private readonly stacks: Layer[][];
  private readonly outStack: Layer[];
  private readonly ofInput: Dense;
  private readonly ofState: Dense;
  private readonly last: Dense;
  private readonly features: Rows[];
  private readonly merged: Rows; // the stacks' results, then the state
  private readonly scratch: [Rows, Rows];
  private readonly gateInputs: [Rows, Rows];
  private readonly results: Rows;
  private readonly heads: number;
  private readonly slices: (() => void)[] = [];
  private readonly starts: number[] = []; // of each slice, as a share of the frame's work
  private work = 0;
  private next = 0;
  private voices = 1;
  private readonly header: Header;

  constructor(
    private readonly kernel: Kernel,
    model: Model,
  ) {
    const { header } = model;
    this.header = header;
    const loader = new Loader(kernel, model);
    this.stacks = header.stacks.map((layers, number) => loader.stack(`in${number}`, layers));
    this.outStack = loader.stack("out", header.out_layers);
    this.ofInput = loader.dense("gru.input");
    this.ofState = loader.dense("gru.state");
    this.last = loader.dense("last");
    this.heads = this.stacks.reduce((sum, stack) => sum + (stack.at(-1) as Layer).rows, 0);
    const width = Math.max(...[...this.stacks, this.outStack].flat().map((layer) => layer.rows));
    const rows = (size: number): Rows => {
      const stride = quad(size + 4);
      return { block: kernel.reserve(VOICES * stride), stride: 4 * stride };
    };
    this.features = header.inputs.map(() => rows(4));
    this.merged = rows(this.heads + header.units);
    this.scratch = [rows(width), rows(width)];
    this.gateInputs = [rows(3 * header.units), rows(3 * header.units)];
    this.results = rows(this.last.rows);
    this.plan();
    for (let i = 0; i < this.starts.length; i++) this.starts[i] = (this.starts[i] as number) / this.work;
    this.next = this.slices.length;
  }

  /** Sets a voice's state to zeros, as at the start of a training example. */
  reset(voice: number): void {
    const start = (voice * this.merged.stride) / 4 + this.heads;
    this.merged.block.values.fill(0, start, start + this.header.units);
  }

  /** Sets the pitch in Hz and the loudness in dB of a voice's next frame. */
  setInputs(voice: number, f0Hz: number, loudnessDb: number): void {
    for (let i = 0; i < this.features.length; i++) {
      const { block, stride } = this.features[i] as Rows;
      const isPitch = this.header.inputs[i] === "f0_scaled";
      block.values[(voice * stride) / 4] = isPitch ? (12 * Math.log2(f0Hz / 440) + 69) / 127 : loudnessDb / 80 + 1;
    }
  }

  /** Begins a frame of the first `count` voices. */
  begin(count: number): void {
    this.voices = count === 1 ? 1 : VOICES;
    this.next = count > 0 ? 0 : this.slices.length;
  }

  /** Computes the frame up to a share of its work, 0..1. */
  advance(share: number): void {
    while (this.next < this.slices.length && (this.starts[this.next] as number) < share) {
      (this.slices[this.next] as () => void)();
      this.next += 1;
    }
  }

  /** The index in `outputs` of a voice's first output. */
  outputStart(voice: number): number {
    return (voice * this.results.stride) / 4;
  }

  /** The outputs of all voices. */
  get outputs(): Float32Array {
    return this.results.block.values;
  }

  /** Lists the slices of a frame. */
  private plan(): void {
    const { run } = this.kernel;
    const { merged, gateInputs, header } = this;
    let offset = 0;
    for (let i = 0; i < this.stacks.length; i++) {
      const stack = this.stacks[i] as Layer[];
      this.planStack(stack, this.features[i] as Rows, merged, offset);
      offset += 4 * (stack[stack.length - 1] as Layer).rows;
    }
    this.planDense(this.ofInput, merged, 0, gateInputs[0], 0);
    this.planDense(this.ofState, merged, offset, gateInputs[1], 0);
    for (let voice = 0; voice < VOICES; voice++) {
      const state = merged.block.address + offset + voice * merged.stride;
      const [x, m] = gateInputs.map(({ block, stride }) => block.address + voice * stride) as [number, number];
      this.slice(GATES_COST * header.units, () => {
        if (voice < this.voices) run.gates(state, x, m, header.units);
      });
    }
    this.planDense(this.last, this.planStack(this.outStack, merged, null, 0), 0, this.results, 0);
  }

  private slice(work: number, run: () => void): void {
    this.slices.push(run);
    this.starts.push(this.work);
    this.work += work;
  }

  /** Lists a stack; the last layer writes to `to`, or to the returned scratch. */
  private planStack(stack: Layer[], from: Rows, to: Rows | null, toOffset: number): Rows {
    const { run } = this.kernel;
    const { epsilon } = this.header;
    let input = from;
    for (let i = 0; i < stack.length; i++) {
      const layer = stack[i] as Layer;
      const isLast = i === stack.length - 1;
      const output = isLast && to ? to : (this.scratch[i % 2] as Rows);
      const offset = isLast && to ? toOffset : 0;
      this.planDense(layer, input, 0, output, offset);
      const address = output.block.address + offset;
      const { rows, gamma, beta } = layer;
      this.slice(NORM_COST * rows, () => {
        for (let voice = 0; voice < this.voices; voice++)
          run.normLeaky(address + voice * output.stride, rows, gamma, beta, epsilon);
      });
      input = output;
    }
    return input;
  }

  private planDense(layer: Dense, x: Rows, xOffset: number, y: Rows, yOffset: number): void {
    const { run } = this.kernel;
    const { weights, bias, rows, columns } = layer;
    const from = x.block.address + xOffset;
    const to = y.block.address + yOffset;
    const most = Math.max(4, 4 * Math.floor(SLICE / columns / 4));
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      const [w, b] = [weights + 4 * row * columns, bias + 4 * row];
      this.slice(count * columns, () =>
        run.dense(to + 4 * row, from, w, b, count, columns, this.voices, y.stride, x.stride),
      );
    }
  }
}

/** Copies a model's arrays into the kernel's memory, each row padded to a multiple of four numbers. */
class Loader {
  constructor(
    private readonly kernel: Kernel,
    private readonly model: Model,
  ) {}

  stack(name: string, layers: number): Layer[] {
    return Array.from({ length: layers }, (_, i) => ({
      ...this.dense(`${name}.${i}`),
      gamma: this.vector(`${name}.${i}.gamma`),
      beta: this.vector(`${name}.${i}.beta`),
    }));
  }

  dense(name: string): Dense {
    const values = this.array(`${name}.weights`);
    const shape = this.model.header.arrays.find((each) => each.name === `${name}.weights`)?.shape as number[];
    const [rows, inputs] = shape as [number, number];
    const columns = quad(inputs);
    const block = this.kernel.reserve(rows * columns);
    for (let row = 0; row < rows; row++)
      block.values.set(values.subarray(row * inputs, (row + 1) * inputs), row * columns);
    return { weights: block.address, bias: this.vector(`${name}.bias`), rows, columns };
  }

  private vector(name: string): number {
    const values = this.array(name);
    const block = this.kernel.reserve(values.length);
    block.values.set(values);
    return block.address;
  }

  private array(name: string): Float32Array {
    const values = this.model.arrays.get(name);
    if (!values) throw new Error(`the model has no array '${name}'`);
    return values;
  }
}
