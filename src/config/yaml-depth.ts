/**
 * How deep a YAML text is nested, found out without recursion and before anything recurses into it.
 *
 * The library composes values recursively, and where its stack ends is not a RangeError for certain: a regular expression
 * that is compiled there ends the process. No configuration needs more than a few levels.
 */
import { Parser } from 'yaml';

/** Levels that a file may have. Ours has six. */
export const MAX_DEPTH = 100;

/** What the parser's tokens have in common, as far as they hold others. */
interface Token {
  readonly offset?: number;
  readonly value?: unknown;
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

/** The offset of the first thing found below MAX_DEPTH levels; undefined when there is none. */
export function findTooDeep(content: string): number | undefined {
  const waiting: { readonly token: Token; readonly depth: number }[] = [];
  const wait = (token: unknown, depth: number): void => {
    if (typeof token === 'object' && token !== null) waiting.push({ token, depth });
  };
  for (const token of new Parser().parse(content)) wait(token, 0);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > MAX_DEPTH) return token.offset ?? 0;
    wait(token.value, depth + 1);
    for (const { key, value } of token.items ?? []) {
      wait(key, depth + 1);
      wait(value, depth + 1);
    }
  }
  return undefined;
}
