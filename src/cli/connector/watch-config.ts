/**
 * Watches the connector's file and puts changed ingress rules in force. docs/operations.md "Changed ingress rules".
 *
 * What cannot be read or understood changes nothing.
 */
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { watchFile } from '../watch-file.ts';

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
  const { config, clock, log } = options;
  const { file } = config;
  if (file === undefined) return { cancel: () => undefined };
  const watch = new Watch(options);
  const timer = watchFile({ file, clock, log, onChange: async () => watch.reload(file) });
  return {
    cancel: () => {
      watch.cancel();
      timer.cancel();
    },
  };
}

class Watch {
  readonly #options: WatchConfigOptions;
  #config: ConnectorConfig;
  #isOver = false;

  constructor(options: WatchConfigOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  cancel(): void {
    this.#isOver = true;
  }

  async reload(file: string): Promise<void> {
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
