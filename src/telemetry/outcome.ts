/** The `outcome` label of metrics: how something ended, in the vocabulary of docs/errors.md and nothing else. */
import { ERROR_CODES } from '../core/error-codes.ts';
import { codeOf } from '../core/error.ts';

/**
 * `ok` for undefined, the code of an error that has one of ours, and `other` for the rest. A peer can therefore never
 * make up a label.
 */
export function outcomeOf(error: unknown): string {
  if (error === undefined) return 'ok';
  const code = codeOf(error);
  return code !== undefined && Object.hasOwn(ERROR_CODES, code) ? code : 'other';
}
