// The WebAssembly kernel and its memory: the page reserves all arrays before the first sample, and none later.

/** The functions of kernel/index.ts. Addresses and strides are in bytes. */
interface KernelExports {
  memory: WebAssembly.Memory;
  dense(
    y: number,
    x: number,
    weights: number,
    bias: number,
    rows: number,
    columns: number,
    count: number,
    yStride: number,
    xStride: number,
  ): void;
  normLeaky(y: number, size: number, gamma: number, beta: number, epsilon: number): void;
  gates(state: number, x: number, m: number, units: number): void;
  harmonics(
    out: number,
    samples: number,
    own: number,
    next: number,
    count: number,
    cosines: boolean,
    phase: number,
    frequency: number,
    slope: number,
    time: number,
    step: number,
  ): void;
  sinusoids(
    out: number,
    samples: number,
    own: number,
    next: number,
    ownHz: number,
    nextHz: number,
    phases: number,
    count: number,
    rate: number,
    time: number,
    step: number,
  ): void;
  wavetable(
    out: number,
    samples: number,
    ownTable: number,
    nextTable: number,
    points: number,
    own: number,
    next: number,
    phase: number,
    frequency: number,
    slope: number,
    time: number,
    step: number,
  ): void;
  whiteNoise(out: number, samples: number, seed: number): number;
  convolve(out: number, signal: number, samples: number, filter: number, taps: number): void;
  shift(out: number, from: number, kept: number): void;
}

const PAGE_BYTES = 65_536;
const SLACK_FLOATS = 4; // loops of four numbers may touch up to three behind an array

/** An array in the kernel's memory. */
export interface Block {
  address: number;
  values: Float32Array;
}

export class Kernel {
  readonly run: KernelExports;
  private top = PAGE_BYTES; // the first page is the module's own
  private sealed = false;

  /** Instantiates the kernel, with room for some float32 numbers. */
  constructor(module: WebAssembly.Module, floats: number) {
    this.run = new WebAssembly.Instance(module, {}).exports as unknown as KernelExports;
    const pages = Math.ceil((this.top + 4 * floats) / PAGE_BYTES);
    this.run.memory.grow(pages - this.run.memory.buffer.byteLength / PAGE_BYTES);
  }

  /** Reserves an array of zeros; its view stays valid, because the memory grows in the constructor alone. */
  reserve(size: number): Block {
    if (this.sealed) throw new Error("the kernel's memory is laid out");
    const address = this.top;
    this.top += 4 * Math.ceil((size + SLACK_FLOATS) / 4) * 4;
    if (this.top > this.run.memory.buffer.byteLength) throw new Error("the kernel's memory is too small");
    return { address, values: new Float32Array(this.run.memory.buffer, address, size) };
  }

  /** Ends the layout. */
  seal(): void {
    this.sealed = true;
  }
}
