/**
 * Where the values of a configuration that was read stand, for what turns out only when they are used: an address that
 * another program has. Beside the configurations and not in them, which are plain data.
 */
import { isPosternError, PosternError } from '../core/error.ts';
import type { ConfigSource } from './config-source.ts';
import type { KeyPath } from './yaml-file.ts';

const sources = new WeakMap<object, ConfigSource>();

/** Remembers what a configuration was read from, and returns it. */
export function readFrom<Config extends object>(source: ConfigSource, config: Config): Config {
  sources.set(config, source);
  return config;
}

/**
 * The error with the place of the value at `path` in front: `<file>:<line>: <key.path>: cannot …`. As it is where that is not known,
 * and where it is none of ours.
 */
export function placedError(config: object, path: KeyPath, error: unknown): unknown {
  const where = sources.get(config)?.where(path);
  if (where === undefined || !isPosternError(error)) return error;
  const text = `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
  return new PosternError(error.code, `${where}: ${text}`, { cause: error.cause });
}
