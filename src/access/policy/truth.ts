/**
 * Three-valued logic, Kleene's: what is asked of somebody who has not signed in is not false, it is not known.
 *
 * `unknown` gives way: `all` with a miss is a miss whatever the rest turns out to be, and `any` with a hit is a hit.
 */

/** Whether a condition holds. */
export type Truth = 'hit' | 'miss' | 'unknown';

/** OR. Of nothing it is a miss. */
export function any(values: Iterable<Truth>): Truth {
  return decided(values, 'hit', 'miss');
}

/** AND. Of nothing it is a hit. */
export function all(values: Iterable<Truth>): Truth {
  return decided(values, 'miss', 'hit');
}

/** NOT. */
export function not(value: Truth): Truth {
  if (value === 'unknown') return value;
  return value === 'hit' ? 'miss' : 'hit';
}

/** `hit` for true. */
export function truth(value: boolean): Truth {
  return value ? 'hit' : 'miss';
}

function decided(values: Iterable<Truth>, decisive: Truth, otherwise: Truth): Truth {
  let result = otherwise;
  for (const value of values) {
    if (value === decisive) return value;
    if (value === 'unknown') result = value;
  }
  return result;
}
