/**
 * Watches the connector's file and puts changed ingress rules in force. docs/operations.md "Changed ingress rules".
 *
 * The file is looked at instead of waited for: that works with editors that rename, with links that are turned to another
 * file, and on network file systems, where notifications do not. What cannot be read or understood changes nothing.
 */
import { stat } from 'node:fs/promises';
import type { ConnectorConfig } from '../config/connector-config.ts';
import type { IngressRule } from '../config/ingress-rule.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf } from '../core/error.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';

/** How often the file is looked at, ms. A change must look the same twice: it may be half written. */
const LOOK_MS = 500;

export interface WatchConfigOptions {
  /** What runs now, from a file. */
  readonly config: ConnectorConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads the file again, with the same options and environment. */
  load(): Promise<ConnectorConfig>;
  /** Puts changed rules in force. */
  apply(rules: readonly IngressRule[]): void;
}

/** Starts watching; the result ends it. */
export function watchConfig(options: WatchConfigOptions): Timer {
  const watch = new Watch(options);
  watch.start();
  return { cancel: () => watch.cancel() };
}

class Watch {
  readonly #options: WatchConfigOptions;
  #config: ConnectorConfig;
  /** What the file looked like when it was last read, and at the last look. */
  #read: string | undefined;
  #seen: string | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: WatchConfigOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  start(): void {
    this.#look(true).catch((err: unknown) => {
      this.#options.log.error({ [FIELD.err]: err }, 'cannot watch the configuration');
    });
  }

  cancel(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  async #look(isFirst: boolean): Promise<void> {
    const file = this.#config.file;
    if (file === undefined) return;
    const state = await appearance(file);
    if (isFirst) this.#read = state;
    else if (state !== this.#read && state === this.#seen) {
      this.#read = state;
      await this.#reload(file);
    }
    this.#seen = state;
    if (this.#isOver) return;
    this.#timer = this.#options.clock.after(LOOK_MS, () => {
      this.#look(false).catch((err: unknown) => {
        this.#options.log.error({ [FIELD.err]: err }, 'cannot watch the configuration');
      });
    });
  }

  async #reload(file: string): Promise<void> {
    const { log } = this.#options;
    let config: ConnectorConfig;
    try {
      config = await this.#options.load();
    } catch (err) {
      const fields = { [FIELD.err]: err, [FIELD.file]: file };
      log.error(fields, 'the changed configuration is refused; the old one stays in force');
      return;
    }
    if (this.#isOver) return;
    const old = this.#config;
    this.#config = config;
    if (meaning(config.ingress) !== meaning(old.ingress)) {
      this.#options.apply(config.ingress);
      const fields = { [FIELD.file]: file, [FIELD.count]: config.ingress.length };
      log.info(fields, 'the changed ingress rules are in force');
    }
    const needRestart = changedKeys(old, config);
    if (needRestart.length === 0) return;
    const reason = `changed: ${needRestart.join(', ')}`;
    log.warn(
      { [FIELD.file]: file, [FIELD.reason]: reason },
      'restart the connector to put the other changes in force',
    );
  }
}

/** What tells one state of a file from another; the error where there is none. */
async function appearance(file: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino, dev } = await stat(file);
    return [mtimeMs, ctimeMs, size, ino, dev].join(' ');
  } catch (error) {
    return codeOf(error) ?? 'gone';
  }
}

/** Rules by their ids, which are hashes of all they say. */
function meaning(rules: readonly IngressRule[]): string {
  return rules.map(({ id }) => id).join(' ');
}

/** Settings that are only read at the start, as the file names them. */
const RESTART_KEYS = {
  tunnel: 'tunnel',
  credentialsFile: 'credentials-file',
  gateways: 'gateway',
  caFile: 'ca',
  metrics: 'metrics',
  gracePeriodMs: 'grace-period',
  linkCount: 'ha-connections',
  log: 'loglevel',
} as const satisfies Partial<Record<keyof ConnectorConfig, string>>;

function changedKeys(old: ConnectorConfig, config: ConnectorConfig): string[] {
  return Object.entries(RESTART_KEYS)
    .filter(([key]) => {
      const of = (value: ConnectorConfig): string => JSON.stringify(Reflect.get(value, key)) ?? '';
      return of(old) !== of(config);
    })
    .map(([, name]) => name);
}
