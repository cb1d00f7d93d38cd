/**
 * The `path` of an ingress rule: a regular expression that is searched for anywhere in the request's path.
 *
 * Expressions come from configuration files and, over the wire, from connectors, so they run on RE2's engine: time is
 * linear in the path, and the size of the compiled program is bounded too. Never use RegExp on them.
 */
import { RE2JS } from 're2js';
import { messageOf, PosternError } from '../../core/error.ts';

/** A compiled path expression. */
export interface PathPattern {
  /** As it was written. */
  readonly text: string;
  /** Whether the expression is found anywhere in `path`. Time is linear in the length of `path`. */
  test(path: string): boolean;
}

/**
 * Longest expression, characters, and largest compiled program, instructions. The engine needs up to their product
 * with the path's length: 500 instructions over a path of 8 KiB were measured at up to 0.1 s with the worst of both.
 * test/unit/config/connector/path-pattern.test.ts trips both.
 */
export const PATH_LIMITS = { characters: 500, instructions: 500 } as const;

/** Compiles a path expression in RE2 syntax. Throws CONFIG_INVALID for a syntax error and for one that is too large. */
export function compilePath(text: string): PathPattern {
  if (text.length > PATH_LIMITS.characters) {
    throw tooLarge(`has ${text.length} characters, more than ${PATH_LIMITS.characters}`);
  }
  const compiled = compile(text);
  if (compiled.programSize() > PATH_LIMITS.instructions) {
    throw tooLarge(`"${text}" repeats too much`);
  }
  return { text, test: (path) => compiled.test(path) };
}

function compile(text: string): RE2JS {
  try {
    return RE2JS.compile(text);
  } catch (cause) {
    const why = messageOf(cause).replace(/^error parsing regexp: /, '');
    throw new PosternError(
      'CONFIG_INVALID',
      `regular expression "${text}" cannot be used: ${why}; use RE2 syntax, which has no look-around and no back-references`,
      { cause },
    );
  }
}

function tooLarge(problem: string): PosternError {
  return new PosternError(
    'CONFIG_INVALID',
    `regular expression ${problem}; split it over several rules`,
  );
}
