/** Round trips, for people. */

/** The best of several, which is what the network can do; `?` before the first was measured. */
export function roundTrip(...measured: readonly (number | undefined)[]): string {
  const known = measured.filter((ms) => ms !== undefined);
  if (known.length === 0) return '?';
  const best = Math.min(...known);
  return `${best < 10 ? Math.round(best * 10) / 10 : Math.round(best)} ms`;
}
