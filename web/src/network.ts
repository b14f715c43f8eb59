// The control network: a stack of dense layers for each input, a GRU, a stack after it. Up to four voices at once.

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

  /** Computes a frame of the first `count` voices. */
  forward(count: number): void {
    const { run } = this.kernel;
    const voices = count === 1 ? 1 : VOICES;
    const { merged, gateInputs, header } = this;
    let offset = 0;
    for (let i = 0; i < this.stacks.length; i++) {
      const stack = this.stacks[i] as Layer[];
      this.runStack(stack, this.features[i] as Rows, merged, offset, voices);
      offset += 4 * (stack[stack.length - 1] as Layer).rows;
    }
    this.runDense(this.ofInput, merged, 0, gateInputs[0], 0, voices);
    this.runDense(this.ofState, merged, offset, gateInputs[1], 0, voices);
    for (let voice = 0; voice < voices; voice++) {
      run.gates(
        merged.block.address + offset + voice * merged.stride,
        gateInputs[0].block.address + voice * gateInputs[0].stride,
        gateInputs[1].block.address + voice * gateInputs[1].stride,
        header.units,
      );
    }
    const top = this.runStack(this.outStack, merged, null, 0, voices);
    this.runDense(this.last, top, 0, this.results, 0, voices);
  }

  /** The index in `outputs` of a voice's first output. */
  outputStart(voice: number): number {
    return (voice * this.results.stride) / 4;
  }

  /** The outputs of all voices. */
  get outputs(): Float32Array {
    return this.results.block.values;
  }

  /** Runs a stack; the last layer writes to `to`, or to the returned scratch. */
  private runStack(stack: Layer[], from: Rows, to: Rows | null, toOffset: number, voices: number): Rows {
    let input = from;
    for (let i = 0; i < stack.length; i++) {
      const layer = stack[i] as Layer;
      const isLast = i === stack.length - 1;
      const output = isLast && to ? to : (this.scratch[i % 2] as Rows);
      const offset = isLast && to ? toOffset : 0;
      this.runDense(layer, input, 0, output, offset, voices);
      for (let voice = 0; voice < voices; voice++) {
        const address = output.block.address + offset + voice * output.stride;
        this.kernel.run.normLeaky(address, layer.rows, layer.gamma, layer.beta, this.header.epsilon);
      }
      input = output;
    }
    return input;
  }

  private runDense(layer: Dense, x: Rows, xOffset: number, y: Rows, yOffset: number, voices: number): void {
    const { weights, bias, rows, columns } = layer;
    const from = x.block.address + xOffset;
    this.kernel.run.dense(y.block.address + yOffset, from, weights, bias, rows, columns, voices, y.stride, x.stride);
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
