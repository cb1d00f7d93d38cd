/**
 * Watches the gateway's file and puts changed policies in force. docs/operations.md "Changed policies".
 *
 * All of them at once, or none: a file that cannot be read or understood, or whose policy tests fail, changes nothing.
 */
import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { watchFile } from '../watch-file.ts';

export interface WatchGatewayConfigOptions {
  /** What runs now. */
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads the file again, with the same options and environment. */
  readonly load: () => Promise<GatewayConfig>;
  /** Puts its policies in force. */
  readonly apply: (config: GatewayConfig) => void;
  /** Has the TCP listeners go by it. */
  readonly applyTcp: (config: GatewayConfig) => void;
}

/** What apply() puts in force, as the file names it. */
const LIVE_KEYS = {
  applications: 'applications',
  groups: 'groups',
  defaultPolicy: 'default-policy',
  sessionDurationMs: 'session-duration',
  clientSessionDurationMs: 'client-session-duration',
} as const satisfies Partial<Record<keyof GatewayConfig, string>>;

/** What says nothing about what the gateway does. */
const IGNORED_KEYS: ReadonlySet<string> = new Set(['file', 'warnings']);

/** Starts watching; the result ends it. */
export function watchGatewayConfig(options: WatchGatewayConfigOptions): Timer {
  const { clock, log, load, apply, applyTcp } = options;
  const { file } = options.config;
  let current = options.config;
  const onChange = async (): Promise<void> => {
    let config: GatewayConfig;
    try {
      config = await load();
    } catch (err) {
      const fields = { [FIELD.err]: err, [FIELD.file]: file };
      log.error(fields, 'the changed configuration is refused; the old one stays in force');
      return;
    }
    const changed = changedKeys(current, config);
    const isTcpLive = changed.includes('tcp') && tcpSockets(current) === tcpSockets(config);
    current = config;
    if (isTcpLive) {
      applyTcp(config);
      log.info(
        { [FIELD.file]: file, [FIELD.count]: config.tcp.length },
        'the changed TCP listeners are in force',
      );
    }
    const live = changed.filter((key) => Object.hasOwn(LIVE_KEYS, key));
    if (live.length > 0) {
      apply(config);
      const fields = { [FIELD.file]: file, [FIELD.count]: config.applications.length };
      log.info(fields, 'the changed policies are in force');
    }
    const others = changed.filter(
      (key) => !Object.hasOwn(LIVE_KEYS, key) && !(isTcpLive && key === 'tcp'),
    );
    if (others.length === 0) return;
    log.warn(
      { [FIELD.file]: file, [FIELD.reason]: `changed: ${others.join(', ')}` },
      'reload the gateway to put the other changes in force',
    );
  };
  return watchFile({ file, clock, log, onChange });
}

/** What of `tcp` only a new worker changes: what is listened on, and how TLS is spoken there. */
function tcpSockets({ tcp }: GatewayConfig): string {
  return JSON.stringify(tcp.map(({ listen, tls }) => ({ listen, tls })));
}

function changedKeys(old: GatewayConfig, config: GatewayConfig): string[] {
  const keys = new Set([...Object.keys(old), ...Object.keys(config)]);
  return [...keys].filter((key) => {
    const of = (value: GatewayConfig): string => JSON.stringify(Reflect.get(value, key)) ?? '';
    return !IGNORED_KEYS.has(key) && of(old) !== of(config);
  });
}
