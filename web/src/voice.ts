// One voice of the synthesizer: controls of this frame and of the next one, and the phases of its oscillators.

import type { Controls, Scaler } from "./controls";
import type { Block, Kernel } from "./kernel";

interface Frame extends Controls {
  partialsBlock: Block;
  frequenciesBlock: Block;
  tableBlock: Block;
  magnitudesBlock: Block;
}

export class Voice {
  own: Frame;
  next: Frame;
  private phase = 0;
  private readonly phases: Block;

  constructor(
    private readonly kernel: Kernel,
    private readonly scaler: Scaler,
  ) {
    this.own = this.frame();
    this.next = this.frame();
    this.phases = kernel.reserve(2 * scaler.partials); // float64
  }

  private frame(): Frame {
    const { kernel, scaler } = this;
    const [partialsBlock, frequenciesBlock] = [kernel.reserve(scaler.partials), kernel.reserve(scaler.partials)];
    const [tableBlock, magnitudesBlock] = [kernel.reserve(scaler.points), kernel.reserve(scaler.bands)];
    return {
      sounding: false,
      f0Hz: 440,
      amplitude: 0,
      partialsBlock,
      frequenciesBlock,
      tableBlock,
      magnitudesBlock,
      partials: partialsBlock.values,
      frequenciesHz: frequenciesBlock.values,
      table: tableBlock.values,
      magnitudes: magnitudesBlock.values,
    };
  }

  /** Whether this frame or the next one sounds. */
  get sounds(): boolean {
    return this.own.sounding || this.next.sounding;
  }

  /** Makes the next frame this one; its successor starts as a copy. */
  advance(): void {
    const { own, next } = this;
    this.own = next;
    this.next = own;
    own.sounding = next.sounding;
    own.f0Hz = next.f0Hz;
    own.amplitude = next.amplitude;
    own.partials.set(next.partials);
    own.frequenciesHz.set(next.frequenciesHz);
    own.table.set(next.table);
    own.magnitudes.set(next.magnitudes);
  }

  /** Makes the next frame silent, with the frequencies of this one. */
  fadeOut(): void {
    this.next.sounding = false;
    this.next.amplitude = 0;
    this.next.partials.fill(0);
    this.next.magnitudes.fill(0);
  }

  /** Makes both frames silent, and sets the phases to 0. */
  reset(): void {
    this.fadeOut();
    this.advance();
    this.phase = 0;
    this.phases.values.fill(0);
  }

  /** Before a voice sounds: its silent frame takes the frequencies of the next one, so that nothing glides. */
  alignFrequencies(): void {
    this.own.f0Hz = this.next.f0Hz;
    this.own.frequenciesHz.set(this.next.frequenciesHz);
    this.own.table.set(this.next.table);
  }

  /**
   * Adds the tone to `samples` samples at an address.
   *
   * @param rate - Sample rate in Hz.
   * @param time - Position of the first sample in the frame, 0..1.
   * @param step - Frames per sample.
   */
  addTone(out: number, samples: number, rate: number, time: number, step: number): void {
    const { run } = this.kernel;
    const { own, next } = this;
    if (this.scaler.free) {
      run.sinusoids(
        out,
        samples,
        own.partialsBlock.address,
        next.partialsBlock.address,
        own.frequenciesBlock.address,
        next.frequenciesBlock.address,
        this.phases.address,
        this.scaler.partials,
        rate,
        time,
        step,
      );
      return;
    }
    const frequency = (own.f0Hz + (next.f0Hz - own.f0Hz) * time) / rate;
    const slope = ((next.f0Hz - own.f0Hz) * step) / rate;
    if (this.scaler.points === 0) {
      const { harmonics, cosines } = this.scaler;
      const a = own.partialsBlock.address;
      const b = next.partialsBlock.address;
      run.harmonics(out, samples, a, b, harmonics, cosines, this.phase, frequency, slope, time, step);
    } else {
      const a = own.tableBlock.address;
      const b = next.tableBlock.address;
      const { points } = this.scaler;
      run.wavetable(
        out,
        samples,
        a,
        b,
        points,
        own.amplitude,
        next.amplitude,
        this.phase,
        frequency,
        slope,
        time,
        step,
      );
    }
    const end = this.phase + samples * frequency + ((samples * (samples - 1)) / 2) * slope;
    this.phase = end - Math.round(end);
  }
}
