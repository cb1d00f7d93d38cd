/** The known key that was most likely meant: what makes a typo a five-second problem. */

/** Keys with more than this many wrong characters are other words, not typos. */
const MAX_EDITS = 3;

/**
 * The key of `known` with the fewest edits (insert, delete, replace, swap neighbours) from `key`; undefined when none
 * is near. Case, dashes and underscores do not count, so `graceperiod` finds `grace-period`.
 */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  // A key of a hostile size must not cost a quadratic comparison.
  if (key.length > 64) return undefined;
  const wanted = plain(key);
  const limit = Math.min(MAX_EDITS, Math.floor(wanted.length / 3) + 1);
  let best: string | undefined;
  let bestEdits = limit + 1;
  for (const candidate of known) {
    const edits = distance(wanted, plain(candidate));
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Damerau's distance, restricted: no part is edited twice. */
function distance(a: string, b: string): number {
  let older: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) edits = Math.min(edits, at(older, j - 2) + 1);
      row.push(edits);
    }
    [older, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
