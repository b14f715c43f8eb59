// The inner loops of the instrument in AssemblyScript: network layers, oscillators, noise filters. WebAssembly with SIMD.
//
// All arguments are addresses in the module's memory, which the page lays out; nothing is allocated here. A loop may read
// and write up to three numbers behind its array, so every array has that much room.

const PI: f32 = 3.14159265358979;
const SLOPE: f32 = 0.2; // slope of the leaky ReLU below 0

// @ts-expect-error: decorator
@inline
function sum(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

// @ts-expect-error: decorator
@inline
function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2);
}

/** One input vector: y[row] = bias[row] + weights[row] x. `columns` is a multiple of 4. */
function denseOne(y: usize, x: usize, weights: usize, bias: usize, rows: i32, columns: i32): void {
  let row = 0;
  const width = (<usize>columns) << 2;
  for (; row + 4 <= rows; row += 4) {
    const w0 = weights + <usize>row * width;
    const w1 = w0 + width;
    const w2 = w1 + width;
    const w3 = w2 + width;
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let a2 = f32x4.splat(0);
    let a3 = f32x4.splat(0);
    for (let i: usize = 0; i < width; i += 16) {
      const v = v128.load(x + i);
      a0 = f32x4.add(a0, f32x4.mul(v, v128.load(w0 + i)));
      a1 = f32x4.add(a1, f32x4.mul(v, v128.load(w1 + i)));
      a2 = f32x4.add(a2, f32x4.mul(v, v128.load(w2 + i)));
      a3 = f32x4.add(a3, f32x4.mul(v, v128.load(w3 + i)));
    }
    store<f32>(at(y, row), sum(a0) + load<f32>(at(bias, row)));
    store<f32>(at(y, row + 1), sum(a1) + load<f32>(at(bias, row + 1)));
    store<f32>(at(y, row + 2), sum(a2) + load<f32>(at(bias, row + 2)));
    store<f32>(at(y, row + 3), sum(a3) + load<f32>(at(bias, row + 3)));
  }
  for (; row < rows; row++) {
    const w = weights + <usize>row * width;
    let a = f32x4.splat(0);
    for (let i: usize = 0; i < width; i += 16) a = f32x4.add(a, f32x4.mul(v128.load(x + i), v128.load(w + i)));
    store<f32>(at(y, row), sum(a) + load<f32>(at(bias, row)));
  }
}

/** Four input vectors, `xStride` and `yStride` bytes apart: each weight is read once. */
function denseFour(
  y: usize,
  x: usize,
  weights: usize,
  bias: usize,
  rows: i32,
  columns: i32,
  yStride: usize,
  xStride: usize,
): void {
  const width = (<usize>columns) << 2;
  const x1 = x + xStride;
  const x2 = x1 + xStride;
  const x3 = x2 + xStride;
  for (let row = 0; row < rows; row++) {
    const w = weights + <usize>row * width;
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let a2 = f32x4.splat(0);
    let a3 = f32x4.splat(0);
    for (let i: usize = 0; i < width; i += 16) {
      const v = v128.load(w + i);
      a0 = f32x4.add(a0, f32x4.mul(v, v128.load(x + i)));
      a1 = f32x4.add(a1, f32x4.mul(v, v128.load(x1 + i)));
      a2 = f32x4.add(a2, f32x4.mul(v, v128.load(x2 + i)));
      a3 = f32x4.add(a3, f32x4.mul(v, v128.load(x3 + i)));
    }
    const b = load<f32>(at(bias, row));
    const to = at(y, row);
    store<f32>(to, sum(a0) + b);
    store<f32>(to + yStride, sum(a1) + b);
    store<f32>(to + 2 * yStride, sum(a2) + b);
    store<f32>(to + 3 * yStride, sum(a3) + b);
  }
}

/** A dense layer for the first `count` of at most four voices, whose vectors are a stride of bytes apart. */
export function dense(
  y: usize,
  x: usize,
  weights: usize,
  bias: usize,
  rows: i32,
  columns: i32,
  count: i32,
  yStride: usize,
  xStride: usize,
): void {
  if (count === 1) denseOne(y, x, weights, bias, rows, columns);
  else denseFour(y, x, weights, bias, rows, columns, yStride, xStride);
}

/** Normalises a row to mean 0 and variance 1, scales and shifts it, and applies a leaky ReLU, in place. */
export function normLeaky(y: usize, size: i32, gamma: usize, beta: usize, epsilon: f32): void {
  let mean: f32 = 0;
  for (let i = 0; i < size; i++) mean += load<f32>(at(y, i));
  mean /= <f32>size;
  let variance: f32 = 0;
  for (let i = 0; i < size; i++) {
    const centred = load<f32>(at(y, i)) - mean;
    variance += centred * centred;
  }
  const scale = <f32>1 / sqrt<f32>(variance / <f32>size + epsilon);
  for (let i = 0; i < size; i++) {
    const value = (load<f32>(at(y, i)) - mean) * scale * load<f32>(at(gamma, i)) + load<f32>(at(beta, i));
    store<f32>(at(y, i), max<f32>(value, SLOPE * value));
  }
}

// @ts-expect-error: decorator
@inline
function sigmoid(x: f32): f32 {
  return <f32>1 / (<f32>1 + Mathf.exp(-x));
}

/** The gates of Keras' GRU with reset_after: z, r, c from x and m, three `units` each; the state is replaced. */
export function gates(state: usize, x: usize, m: usize, units: i32): void {
  for (let i = 0; i < units; i++) {
    const z = sigmoid(load<f32>(at(x, i)) + load<f32>(at(m, i)));
    const r = sigmoid(load<f32>(at(x, units + i)) + load<f32>(at(m, units + i)));
    const c = Mathf.tanh(load<f32>(at(x, 2 * units + i)) + r * load<f32>(at(m, 2 * units + i)));
    store<f32>(at(state, i), z * load<f32>(at(state, i)) + (<f32>1 - z) * c);
  }
}

/** sin(2 pi x) as a Taylor series of the folded phase, exact to float32; the same as in synths/oscillators.py. */
// @ts-expect-error: decorator
@inline
function sine(cycles: v128): v128 {
  const wrapped = f32x4.sub(cycles, f32x4.nearest(cycles));
  const quarter = f32x4.splat(0.25);
  const size = f32x4.sub(quarter, f32x4.abs(f32x4.sub(f32x4.abs(wrapped), quarter)));
  const sign = v128.and(wrapped, i32x4.splat(0x80000000));
  const folded = v128.xor(size, sign);
  const square = f32x4.mul(folded, folded);
  let series = f32x4.splat(3.8199525848482821);
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(-15.094642576822990));
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(42.058693944897654));
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(-76.705859753061386));
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(81.605249276075054));
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(-41.341702240399761));
  series = f32x4.add(f32x4.mul(series, square), f32x4.splat(6.2831853071795865));
  return f32x4.mul(series, folded);
}

/** The share of the next frame in the amplitude of four samples: half a Hann window over the frame. */
// @ts-expect-error: decorator
@inline
function rise(time: v128): v128 {
  // cos(pi t) = sin(2 pi (t / 2 + 1 / 4))
  const cosine = sine(f32x4.add(f32x4.mul(time, f32x4.splat(0.5)), f32x4.splat(0.25)));
  return f32x4.sub(f32x4.splat(0.5), f32x4.mul(f32x4.splat(0.5), cosine));
}

// @ts-expect-error: decorator
@inline
function ramp(first: f32, step: f32): v128 {
  const lanes = f32x4(0, 1, 2, 3);
  return f32x4.add(f32x4.splat(first), f32x4.mul(lanes, f32x4.splat(step)));
}

/**
 * Adds harmonics to `samples` samples of `out`.
 *
 * own, next: amplitudes of the harmonics in this frame and in the next one: `count` of the sines, and with `cosines` then
 * as many of the cosines.
 * phase: in cycles, before the first sample; frequency, slope: in cycles per sample, of the first sample and its change.
 * time, step: position of the first sample in the frame, 0..1, and its change.
 */
export function harmonics(
  out: usize,
  samples: i32,
  own: usize,
  next: usize,
  count: i32,
  cosines: bool,
  phase: f64,
  frequency: f64,
  slope: f64,
  time: f64,
  step: f64,
): void {
  const half = f32x4.splat(0.5);
  const quarter = f32x4.splat(0.25);
  for (let j = 0; j < samples; j += 4) {
    const start = <f64>j;
    const p0 = phase + (start + 1) * frequency + ((start * (start + 1)) / 2) * slope;
    const f0 = frequency + start * slope;
    const p1 = p0 + f0 + slope;
    const p2 = p1 + f0 + 2 * slope;
    const p3 = p2 + f0 + 3 * slope;
    const cycles = f32x4(<f32>(p0 - nearest(p0)), <f32>(p1 - nearest(p1)), <f32>(p2 - nearest(p2)), <f32>(p3 - nearest(p3)));
    const rate = ramp(<f32>f0, <f32>slope);
    let ownSum = f32x4.splat(0);
    let nextSum = f32x4.splat(0);
    for (let k = 0; k < count; k++) {
      const number = f32x4.splat(<f32>(k + 1));
      const below = f32x4.lt(f32x4.mul(number, rate), half);
      if (!v128.any_true(below)) break;
      const wave = v128.and(sine(f32x4.mul(number, cycles)), below);
      ownSum = f32x4.add(ownSum, f32x4.mul(wave, v128.load32_splat(at(own, k))));
      nextSum = f32x4.add(nextSum, f32x4.mul(wave, v128.load32_splat(at(next, k))));
      if (!cosines) continue;
      const cosine = v128.and(sine(f32x4.add(f32x4.mul(number, cycles), quarter)), below);
      ownSum = f32x4.add(ownSum, f32x4.mul(cosine, v128.load32_splat(at(own, count + k))));
      nextSum = f32x4.add(nextSum, f32x4.mul(cosine, v128.load32_splat(at(next, count + k))));
    }
    const share = rise(ramp(<f32>(time + start * step), <f32>step));
    const tone = f32x4.add(ownSum, f32x4.mul(share, f32x4.sub(nextSum, ownSum)));
    v128.store(at(out, j), f32x4.add(v128.load(at(out, j)), tone));
  }
}

/**
 * Adds free sinusoids to `samples` samples of `out`, and moves their phases.
 *
 * phases: f64[count] in cycles, before the first sample. ownHz, nextHz: frequencies in this frame and in the next one.
 * The other arguments are those of `harmonics`; rate is the sample rate in Hz.
 */
export function sinusoids(
  out: usize,
  samples: i32,
  own: usize,
  next: usize,
  ownHz: usize,
  nextHz: usize,
  phases: usize,
  count: i32,
  rate: f64,
  time: f64,
  step: f64,
): void {
  const half = f32x4.splat(0.5);
  const length = <f64>samples;
  for (let k = 0; k < count; k++) {
    const hz = <f64>load<f32>(at(ownHz, k));
    const change = <f64>load<f32>(at(nextHz, k)) - hz;
    const frequency = (hz + change * time) / rate;
    const slope = (change * step) / rate;
    const address = phases + ((<usize>k) << 3);
    const phase = load<f64>(address);
    const end = phase + length * frequency + ((length * (length - 1)) / 2) * slope;
    store<f64>(address, end - nearest(end));
    const a = load<f32>(at(own, k));
    const b = load<f32>(at(next, k));
    if (a === 0 && b === 0) continue;
    for (let j = 0; j < samples; j += 4) {
      const start = <f64>j;
      const p0 = phase + (start + 1) * frequency + ((start * (start + 1)) / 2) * slope;
      const f0 = frequency + start * slope;
      const base = p0 - nearest(p0);
      const cycles = f32x4(<f32>base, <f32>(base + f0 + slope), <f32>(base + 2 * f0 + 3 * slope), <f32>(base + 3 * f0 + 6 * slope));
      const below = f32x4.lt(ramp(<f32>f0, <f32>slope), half);
      const share = rise(ramp(<f32>(time + start * step), <f32>step));
      const level = f32x4.add(f32x4.splat(a), f32x4.mul(share, f32x4.splat(b - a)));
      const tone = f32x4.mul(level, v128.and(sine(cycles), below));
      v128.store(at(out, j), f32x4.add(v128.load(at(out, j)), tone));
    }
  }
}

// @ts-expect-error: decorator
@inline
function read(table: usize, points: i32, left: i32, weight: f32): f32 {
  const right = left + 1 === points ? 0 : left + 1;
  return (<f32>1 - weight) * load<f32>(at(table, left)) + weight * load<f32>(at(table, right));
}

/**
 * Adds a waveform to `samples` samples of `out`: one period each of this frame and of the next one, f32[points].
 *
 * own, next: the amplitudes. The other arguments are those of `harmonics`. The tables are read one sample behind the
 * phase of `harmonics`, as the trained layer does.
 */
export function wavetable(
  out: usize,
  samples: i32,
  ownTable: usize,
  nextTable: usize,
  points: i32,
  own: f32,
  next: f32,
  phase: f64,
  frequency: f64,
  slope: f64,
  time: f64,
  step: f64,
): void {
  for (let j = 0; j < samples; j++) {
    const start = <f64>j;
    const cycles = phase + start * frequency + ((start * (start - 1)) / 2) * slope;
    const position = <f32>(<f64>points * (cycles - floor(cycles)));
    const left = <i32>position;
    const weight = position - <f32>left;
    const first = left >= points ? 0 : left;
    const share = <f32>(time + start * step);
    const a = read(ownTable, points, first, weight);
    const b = read(nextTable, points, first, weight);
    const level = own + (next - own) * (<f32>0.5 - <f32>0.5 * Mathf.cos(PI * share));
    store<f32>(at(out, j), load<f32>(at(out, j)) + level * (a + share * (b - a)));
  }
}

/** Fills an array with white noise in -1..1 (xorshift32); returns the next seed, which is never 0. */
export function whiteNoise(out: usize, samples: i32, seed: u32): u32 {
  let x = seed === 0 ? 1 : seed;
  for (let j = 0; j < samples; j++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    store<f32>(at(out, j), <f32>(<i32>x) * <f32>4.656612873077393e-10);
  }
  return x;
}

/** Adds to out[0 .. samples + taps] a signal through a filter; `taps` is a multiple of 4. */
export function convolve(out: usize, signal: usize, samples: i32, filter: usize, taps: i32): void {
  for (let j = 0; j < samples; j++) {
    const level = v128.load32_splat(at(signal, j));
    const to = at(out, j);
    for (let i: usize = 0; i < (<usize>taps) << 2; i += 16) {
      v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.mul(level, v128.load(filter + i))));
    }
  }
}

/** Moves an array to the front: out[0 .. kept] = out[from .. from + kept], and sets the `from` numbers behind it to 0. */
export function shift(out: usize, from: i32, kept: i32): void {
  memory.copy(out, at(out, from), (<usize>kept) << 2);
  memory.fill(at(out, kept), 0, (<usize>from) << 2);
}
