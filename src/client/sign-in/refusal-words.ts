/** What a gateway refuses with, in words for whoever asked. */
import type { ErrorCode } from '../../core/error-codes.ts';

/** A sentence for each code that is expected at a place. */
export type RefusalWords = Partial<Record<ErrorCode, string>>;

/** The code that a gateway answered, with its words; undefined for one that has none, and for what is no code. */
export function refusalIn(
  words: RefusalWords,
  code: unknown,
): { readonly code: ErrorCode; readonly why: string } | undefined {
  if (typeof code !== 'string' || !isCodeOf(words, code)) return undefined;
  const why = words[code];
  return why === undefined ? undefined : { code, why };
}

function isCodeOf(words: RefusalWords, code: string): code is ErrorCode {
  return Object.hasOwn(words, code);
}
