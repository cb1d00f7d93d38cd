/**
 * Watches the files of a connector and puts in force what can change while it runs: its rules, and whom it trusts.
 * docs/operations.md "Changed files".
 */
import { readFile } from 'node:fs/promises';
import { changedKeys, type KeyRule } from '../../config/changed-keys.ts';
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { Clock } from '../../core/clock.ts';
import type { ConfigState } from '../../telemetry/config-state.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { watchConfig, type ConfigChange, type WatchedConfig } from '../config-watch.ts';

/** What a running connector can change. */
interface ChangeableConnector {
  setRules(rules: readonly IngressRule[]): void;
  /** PEM text of authorities that vouch for gateways, for links that are dialled from now on. Returns whether it is another one. */
  setTrust(ca: string | undefined): boolean;
}

export interface WatchConnectorConfigOptions {
  /** What runs now. */
  readonly config: ConnectorConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: ConfigState;
  /** Reads the file again, with the same options and environment. */
  load(): Promise<ConnectorConfig>;
  readonly connector: ChangeableConnector;
  /** Has another process take over with what is in the files. */
  readonly handOver: () => Promise<void>;
}

const CONNECTOR_KEYS = {
  tunnel: { name: 'tunnel', isLive: false },
  credentialsFile: { name: 'credentials-file', isLive: false },
  gateways: { name: 'gateway', isLive: false },
  caFile: { name: 'ca', isLive: true },
  metrics: { name: 'metrics', isLive: false },
  gracePeriodMs: { name: 'grace-period', isLive: false },
  linkCount: { name: 'ha-connections', isLive: false },
  configWatch: { name: 'config-watch', isLive: true },
  log: { name: 'loglevel', isLive: (old, next) => old.log.format === next.log.format },
} as const satisfies Record<
  Exclude<keyof ConnectorConfig, 'file' | 'ingress' | 'reloadGraceMs'>,
  KeyRule<ConnectorConfig>
>;

/** Starts watching; undefined without a file, since there is nothing to watch. */
export function watchConnectorConfig(
  options: WatchConnectorConfigOptions,
): WatchedConfig | undefined {
  const { config, clock, log, state, connector, handOver } = options;
  const { file } = config;
  if (file === undefined) return undefined;
  return watchConfig({
    file,
    config,
    filesOf,
    clock,
    log,
    state,
    load: async () => options.load(),
    prepare: async (before, next): Promise<ConfigChange<ConnectorConfig>> => {
      const { running, live, waiting } = changedKeys(before, next, CONNECTOR_KEYS);
      const ca = await caOf(running);
      const { ingress } = next;
      const hasNewRules = meaning(ingress) !== meaning(before.ingress);
      const apply = (): void => {
        log.level = running.log.level;
        if (connector.setTrust(ca)) {
          log.info({ [FIELD.file]: running.caFile }, 'the changed authorities are in force');
        }
        if (!hasNewRules) return;
        connector.setRules(ingress);
        const fields = { [FIELD.file]: file, [FIELD.count]: ingress.length };
        log.info(fields, 'the changed ingress rules are in force');
      };
      return {
        running: { ...running, ingress },
        waiting,
        mayHandOver: next.configWatch === 'all',
        isSame: waiting.length === 0 && live.length === 0 && !hasNewRules,
        apply,
      };
    },
    handOver,
    remedy: 'reload the connector to put the other changes in force',
  });
}

async function caOf({ caFile }: ConnectorConfig): Promise<string | undefined> {
  return caFile === undefined ? undefined : readFile(caFile, 'utf8');
}

function filesOf({ caFile, ingress }: ConnectorConfig): string[] {
  const pools = ingress.map(({ originRequest }) => originRequest.caFile);
  return [caFile, ...pools].filter((file) => file !== undefined);
}

/** Rules by their ids, which are hashes of all they say. */
function meaning(rules: readonly IngressRule[]): string {
  return rules.map(({ id }) => id).join(' ');
}
