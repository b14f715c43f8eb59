// The live controls as pictures: pitch and loudness over the last seconds, and the partials of this moment.

import type { Header } from "./model";
import type { Report } from "./worklet";

const SECONDS = 6;
const REPORTS = SECONDS * 30;

export class Pictures {
  private readonly pitch: number[] = [];
  private readonly loudness: number[] = [];
  private header: Header | null = null;
  private latest: Report | null = null;

  constructor(
    private readonly curves: HTMLCanvasElement,
    private readonly spectrum: HTMLCanvasElement,
  ) {
    const redraw = () => this.draw();
    new ResizeObserver(redraw).observe(curves);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  setModel(header: Header): void {
    this.header = header;
    this.latest = null;
    this.draw();
  }

  add(report: Report): void {
    this.latest = report;
    this.pitch.push(report.sounding ? report.f0Hz : Number.NaN);
    this.loudness.push(report.sounding ? report.loudnessDb : Number.NaN);
    if (this.pitch.length > REPORTS) {
      this.pitch.shift();
      this.loudness.shift();
    }
    if (!document.hidden) this.draw();
  }

  private draw(): void {
    const { header } = this;
    if (!header) return;
    const style = getComputedStyle(this.curves);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const [ink, accent, two, line] = [color("--ink"), color("--accent"), color("--two"), color("--line")];
    const curves = prepared(this.curves);
    const [low, high] = [Math.log2(header.f0_hz.p5) - 1, Math.log2(header.f0_hz.p95) + 1];
    const half = curves.height / 2;
    grid(curves, line, half);
    trace(curves, this.pitch, (hz) => half - 4 - ((Math.log2(hz) - low) / (high - low)) * (half - 8), accent);
    trace(curves, this.loudness, (db) => curves.height - 4 - ((db + 80) / 80) * (half - 8), two);
    this.drawSpectrum(prepared(this.spectrum), ink, accent, line);
  }

  private drawSpectrum(canvas: Canvas, ink: string, accent: string, line: string): void {
    const { context, width, height } = canvas;
    const { latest, header } = this;
    grid(canvas, line, height - 1);
    if (!latest?.sounding || !header) return;
    if (header.synth === "wavetable") {
      const table =
        header.tone.synth === "wavetable" && header.tone.table === "dictionary"
          ? period(latest.partials)
          : latest.partials;
      const peak = Math.max(1, ...Array.from(table, Math.abs));
      context.strokeStyle = accent;
      context.lineWidth = 1.6;
      context.beginPath();
      table.forEach((value, i) => {
        context.lineTo((i / (table.length - 1)) * width, height / 2 - (value / peak) * (height / 2 - 3));
      });
      context.stroke();
      return;
    }
    const toY = (level: number) => (1 - Math.min(1, Math.max(0, (20 * Math.log10(level + 1e-9) + 80) / 80))) * height;
    context.fillStyle = ink;
    context.globalAlpha = 0.18;
    const band = width / latest.magnitudes.length;
    latest.magnitudes.forEach((level, i) => {
      context.fillRect(i * band, toY(level), band + 0.5, height);
    });
    context.globalAlpha = 1;
    context.fillStyle = accent;
    latest.partials.forEach((level, k) => {
      const hz = header.synth === "harmonic" ? (k + 1) * latest.f0Hz : (latest.frequenciesHz[k] as number);
      if (level > 1e-5 && hz < 8000) context.fillRect((hz / 8000) * width - 1, toY(level), 2.5, height);
    });
  }
}

const POINTS = 128;

/** One period of a waveform from the amplitudes of its sines and then of its cosines, relative to its peak. */
function period(partials: Float32Array): Float32Array {
  const count = partials.length / 2;
  const points = new Float32Array(POINTS);
  for (let n = 0; n < POINTS; n++) {
    for (let k = 0; k < count; k++) {
      const angle = (2 * Math.PI * (k + 1) * n) / POINTS;
      points[n] =
        (points[n] as number) +
        (partials[k] as number) * Math.sin(angle) +
        (partials[count + k] as number) * Math.cos(angle);
    }
  }
  const peak = Math.max(1e-6, ...points.map(Math.abs));
  return points.map((value) => value / peak);
}

interface Canvas {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
}

/** Clears a canvas and fits it to its size on the screen. */
function prepared(canvas: HTMLCanvasElement): Canvas {
  const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || 120];
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function grid({ context, width }: Canvas, color: string, y: number): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, Math.round(y) + 0.5);
  context.lineTo(width, Math.round(y) + 0.5);
  context.stroke();
}

function trace({ context, width }: Canvas, values: number[], toY: (value: number) => number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1.8;
  context.lineJoin = "round";
  context.beginPath();
  let drawing = false;
  const start = REPORTS - values.length;
  values.forEach((value, i) => {
    const x = ((start + i) / (REPORTS - 1)) * width;
    if (Number.isNaN(value)) drawing = false;
    else if (drawing) context.lineTo(x, toY(value));
    else {
      context.moveTo(x, toY(value));
      drawing = true;
    }
  });
  context.stroke();
}
