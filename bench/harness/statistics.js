/** The median of `values`; the mean of the middle two when there is an even number. NaN when there are none. */
function median(values) {
  return percentile(values, 50);
}

/** The value below which `percent` per cent of `values` lie, interpolated. NaN when there are none. */
export function percentile(values, percent) {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const at = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  return below + (above - below) * (at - Math.floor(at));
}

/** Median, least and most of one field over the samples of a peer. */
export function summarise(samples, field) {
  const values = samples.map((sample) => sample[field]);
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
