/** What differs between two configurations, key by key, and which of it can take effect while the process runs. */

/** How one key of a configuration behaves. */
export interface KeyRule<Config> {
  /** As the file names it. */
  readonly name: string;
  /** Whether a change takes effect while the process runs. Asked only where there is a change. */
  readonly isLive: boolean | ((running: Config, next: Config) => boolean);
}

/** A rule for each key that says what the process does. */
export type KeyRules<Config> = Readonly<Partial<Record<keyof Config, KeyRule<Config>>>>;

export interface ChangedKeys<Config> {
  /** What runs once the change is in force: what is live from `next`, the rest as it was. */
  readonly running: Config;
  /** Keys that changed and are live. */
  readonly live: readonly (keyof Config)[];
  /** Names of those that changed and are not. */
  readonly waiting: readonly string[];
}

/** Compares two configurations. */
export function changedKeys<Config extends object>(
  running: Config,
  next: Config,
  rules: KeyRules<Config>,
): ChangedKeys<Config> {
  const merged = { ...running };
  const live: (keyof Config)[] = [];
  const waiting: string[] = [];
  for (const key of keysOf(rules)) {
    const rule = rules[key];
    if (rule === undefined || textOf(running[key]) === textOf(next[key])) continue;
    const { name, isLive } = rule;
    if (typeof isLive === 'function' ? isLive(running, next) : isLive) {
      merged[key] = next[key];
      live.push(key);
    } else {
      waiting.push(name);
    }
  }
  return { running: merged, live, waiting };
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

function keysOf<T extends object>(of: T): (keyof T)[] {
  // Rules are written out by whoever calls, key by key.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.keys(of) as (keyof T)[];
}
