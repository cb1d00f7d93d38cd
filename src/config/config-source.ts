/**
 * Where the values of a configuration come from, flag before environment before file, and how a problem with one is
 * told: one line that names the place, the key, what is wrong and what to do.
 *
 * Defaults are not known here: they stand on the fields of the schema. The environment is read by explicit names only.
 */
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { ErrorCode } from '../core/error-codes.ts';
import type { PosternError } from '../core/error.ts';
import { configError } from './config-error.ts';
import type { KeyPath, YamlFile } from './yaml-file.ts';

/** What wins over the file. */
export interface Overrides {
  /** By dotted key: `{ 'log.level': 'debug' }`. Undefined values are left out. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Default `process.env`. Empty variables count as not set. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Names of environment variables and the dotted key that each one sets. */
export type EnvironmentKeys = Readonly<Record<string, string>>;

/** The merged values of one configuration. */
export class ConfigSource {
  readonly #file: YamlFile | undefined;
  readonly #value: Record<string, unknown>;
  /** Dotted key → the flag or variable it was set by. */
  readonly #overridden = new Map<string, string>();

  constructor(file: YamlFile | undefined, keys: EnvironmentKeys, overrides: Overrides) {
    this.#file = file;
    this.#value = { ...file?.value };
    const { flags = {}, env = process.env } = overrides;
    for (const [name, key] of Object.entries(keys)) {
      const text = env[name];
      if (text !== undefined && text !== '') this.#override(key, plainValue(text), name);
    }
    for (const [key, value] of Object.entries(flags)) {
      if (value !== undefined) this.#override(key, value, flagOf(key, keys));
    }
  }

  /** The values as `schema` makes them. Throws the first problem: unknown keys first, then from top to bottom. */
  parse<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    const result = schema.safeParse(this.#value);
    if (result.success) return result.data;
    const [first] = result.error.issues
      .flatMap(innermost)
      .map((issue) => located(issue))
      // A misspelt key also makes the right one missing; the misspelling is what helps.
      .toSorted(
        (a, b) => Number(b.isUnknownKey) - Number(a.isUnknownKey) || this.#line(a) - this.#line(b),
      );
    if (first === undefined) throw result.error;
    const { isUnknownKey, at, path, message } = first;
    const code = isUnknownKey ? 'CONFIG_UNKNOWN_KEY' : 'CONFIG_INVALID';
    throw this.problem(code, at, message, { shownPath: path });
  }

  /** An error about the value at `path`: `<file>:<line>: <key.path>: <text>`. */
  problem(
    code: ErrorCode,
    path: KeyPath,
    text: string,
    options: { readonly cause?: unknown; readonly shownPath?: KeyPath } = {},
  ): PosternError {
    const { shownPath = path, cause } = options;
    const key = shownPath.length === 0 ? '' : `${formatPath(shownPath)}: `;
    return configError(code, this.#place(path), `${key}${text}`, cause);
  }

  /** What an error about the value at `path` begins with: `<file>:<line>: <key.path>`. */
  where(path: KeyPath): string {
    return `${this.#place(path)}: ${formatPath(path)}`;
  }

  /** A file name as an absolute path: relative to the file it stands in, or to here for a flag or variable. */
  resolveFile(path: KeyPath, name: string): string {
    const isFromFile = this.#overrideOf(path) === undefined && this.#file !== undefined;
    return isFromFile ? resolve(dirname(resolve(this.#file?.name ?? '')), name) : resolve(name);
  }

  /** Whether the file, a flag or a variable sets this key of the top level. */
  isSet(key: string): boolean {
    return this.#value[key] !== undefined;
  }

  /** Whether a flag or variable set this key. */
  isOverridden(key: string): boolean {
    return this.#overridden.has(key);
  }

  #override(key: string, value: unknown, name: string): void {
    const parts = key.split('.');
    const last = parts.pop() ?? key;
    let mapping = this.#value;
    for (const part of parts) {
      const inner = mapping[part];
      const isMapping = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
      // What is not a mapping is left for the schema to refuse.
      if (inner !== undefined && !isMapping) return;
      mapping = mapping[part] = { ...inner };
    }
    mapping[last] = value;
    this.#overridden.set(key, name);
  }

  #overrideOf(path: KeyPath): string | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const name = this.#overridden.get(path.slice(0, length).join('.'));
      if (name !== undefined) return name;
    }
    return undefined;
  }

  #place(path: KeyPath): string {
    const override = this.#overrideOf(path);
    if (override !== undefined) return override;
    return this.#file === undefined
      ? 'command line'
      : `${this.#file.name}:${this.#file.lineOf(path)}`;
  }

  #line({ at }: Located): number {
    return this.#overrideOf(at) === undefined ? (this.#file?.lineOf(at) ?? 0) : 0;
  }
}

/** `tcp[0].listen`, as people write it. */
function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** A problem with the path to show and the path to point at, which differ for an unknown key. */
interface Located {
  readonly path: KeyPath;
  readonly at: KeyPath;
  readonly isUnknownKey: boolean;
  readonly message: string;
}

function located(issue: z.core.$ZodIssue): Located {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const isUnknownKey = issue.code === 'unrecognized_keys';
  const at = isUnknownKey ? [...path, issue.keys[0] ?? ''] : path;
  return { path, at, isUnknownKey, message: issue.message };
}

/**
 * What to tell of a choice between shapes: the problems inside the shape that was plainly meant, which is the one that
 * is not refused as a whole. The choice itself when there is none.
 */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.find((errors) =>
    errors.every((error) => error.path.length > 0 || error.code === 'unrecognized_keys'),
  );
  if (meant === undefined || meant.length === 0) return [issue];
  return meant
    .map((error) => ({ ...error, path: [...issue.path, ...error.path] }))
    .flatMap(innermost);
}

/** Flags are named like variables: `--log-level` sets what POSTERN_LOG_LEVEL does, whatever the key. */
function flagOf(key: string, keys: EnvironmentKeys): string {
  const variable = Object.keys(keys).find((name) => keys[name] === key);
  const name = variable?.replace(/^POSTERN_/, '').toLowerCase() ?? key;
  return `--${name.replaceAll(/[_.]/g, '-')}`;
}

/** Environment variables are text. A number stays one: it may be a name, and fields for numbers read it. */
function plainValue(text: string): unknown {
  return text === 'true' || text === 'false' ? text === 'true' : text;
}
