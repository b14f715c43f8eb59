// The A weighting, which the loudness of models has.

/** The A weighting of power, not below -80 dB (IEC 61672-1). */
export function aWeighting(hz: number): number {
  const f = hz * hz;
  const [a, b, c, d] = [12194.217 ** 2, 20.598997 ** 2, 107.65265 ** 2, 737.86223 ** 2] as const;
  const gain = (a * f * f) / ((f + b) * Math.sqrt((f + c) * (f + d)) * (f + a));
  return Math.max(1e-8, 10 ** 0.2 * gain * gain);
}
