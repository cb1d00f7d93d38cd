/** Watches the files of a gateway and puts in force what can change while it runs. docs/operations.md "Changed files". */
import { changedKeys } from '../../config/changed-keys.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import { filesOfGateway, GATEWAY_KEYS, POLICY_KEYS } from '../../config/gateway-keys.ts';
import type { Clock } from '../../core/clock.ts';
import type { PreparedConfig } from '../../gateway/gateway.ts';
import type { ConfigState } from '../../telemetry/config-state.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { watchConfig, type ConfigChange, type WatchedConfig } from '../config-watch.ts';

export interface WatchGatewayConfigOptions {
  /** What runs now. */
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: ConfigState;
  /** Reads the file again, with the same options and environment. */
  readonly load: () => Promise<GatewayConfig>;
  /** Reads what a configuration names, for the gateway to go on with it. */
  readonly prepare: (config: GatewayConfig) => Promise<PreparedConfig>;
  /** What was loaded last is in force. */
  readonly onTaken?: (() => void) | undefined;
  /** Has another process take over with what is in the files. Absent where nothing can. */
  readonly handOver?: (() => Promise<void>) | undefined;
}

/** Keys that nobody changes but by command: another folder is another gateway, with other tunnels and users. */
const BY_COMMAND: ReadonlySet<string> = new Set([GATEWAY_KEYS.dataDir.name]);

/** Starts watching. */
export function watchGatewayConfig(options: WatchGatewayConfigOptions): WatchedConfig {
  const { config, clock, log, state, load, prepare, onTaken, handOver } = options;
  const { file } = config;
  return watchConfig({
    file,
    config,
    filesOf: filesOfGateway,
    clock,
    log,
    state,
    load,
    prepare: async (before, next): Promise<ConfigChange<GatewayConfig>> => {
      const { running, live, waiting } = changedKeys(before, next, GATEWAY_KEYS);
      const prepared = await prepare(running);
      const apply = (): void => {
        prepared.apply();
        onTaken?.();
        tell(log, { config: running, live, certificates: prepared.certificates });
      };
      return {
        running,
        waiting,
        mayHandOver: next.configWatch === 'all' && !waiting.some((key) => BY_COMMAND.has(key)),
        isSame: waiting.length === 0 && live.length === 0 && prepared.certificates === 0,
        apply,
      };
    },
    handOver,
    remedy: 'reload the gateway to put the other changes in force',
  });
}

interface Told {
  readonly config: GatewayConfig;
  readonly live: readonly (keyof GatewayConfig)[];
  readonly certificates: number;
}

function tell(log: Log, { config, live, certificates }: Told): void {
  const { file } = config;
  if (live.some((key) => POLICY_KEYS.has(key))) {
    const fields = { [FIELD.file]: file, [FIELD.count]: config.applications.length };
    log.info(fields, 'the changed policies are in force');
  }
  if (certificates > 0) {
    const fields = { [FIELD.file]: file, [FIELD.count]: certificates };
    log.info(fields, 'the changed certificates are in force');
  }
  if (live.includes('tcp')) {
    const fields = { [FIELD.file]: file, [FIELD.count]: config.tcp.length };
    log.info(fields, 'the changed TCP listeners are in force');
  }
  const names = live.filter((key) => !POLICY_KEYS.has(key) && key !== 'tcp').map(nameOf);
  if (names.length === 0) return;
  const reason = `changed: ${names.join(', ')}`;
  log.info({ [FIELD.file]: file, [FIELD.reason]: reason }, 'the changed settings are in force');
}

function nameOf(key: keyof GatewayConfig): string {
  return key === 'file' || key === 'warnings' ? key : GATEWAY_KEYS[key].name;
}
