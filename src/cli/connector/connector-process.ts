/**
 * A connector with everything around it: its replica and its operators' server. Used by `tunnel run` and by the
 * quickstart.
 */
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { Credentials } from '../../config/connector/credentials-file.ts';
import { formatListenAddress } from '../../config/listen-address.ts';
import { placedError } from '../../config/value-place.ts';
import { VERSION } from '../../core/version.ts';
import { Replica } from '../../connector/replica.ts';
import type { ConfigState } from '../../telemetry/config-state.ts';
import { ConnectorMetrics } from '../../telemetry/connector-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import {
  bindOpsServer,
  startOpsServer,
  type OpsServer,
  type Readiness,
} from '../../telemetry/ops-server.ts';
import {
  handleOfServer,
  listenOnHandle,
  type ListeningHandle,
} from '../../supervisor/listening-handle.ts';
import type { LongRunning } from '../long-running.ts';

export interface ConnectorProcessOptions {
  readonly config: ConnectorConfig;
  readonly credentials: Credentials;
  readonly log: Log;
  /** What the run is called at the gateway. Default: a new id. */
  readonly id?: string;
  /** The listener of the operators' server, where another process had it; it is not used before listen(). */
  readonly metricsHandle?: ListeningHandle | undefined;
  /** Runs of this tunnel on this machine that died. */
  readonly replaces?: readonly string[];
  /** Told why a link could not be registered. */
  readonly onDialFailed?: (error: unknown) => void;
}

export class ConnectorProcess implements LongRunning {
  readonly replica: Replica;
  /** Resolves when the first link is registered, or the connector was stopped before. */
  readonly registered: Promise<void>;
  /** What becomes of its files while it runs. */
  readonly configState: ConfigState;
  readonly #openOps: (handle?: ListeningHandle) => Promise<OpenOps | undefined>;
  #ops: OpenOps | undefined;

  private constructor(
    replica: Replica,
    configState: ConfigState,
    openOps: (handle?: ListeningHandle) => Promise<OpenOps | undefined>,
    ops: OpenOps | undefined,
  ) {
    this.replica = replica;
    this.configState = configState;
    this.#openOps = openOps;
    this.#ops = ops;
    this.registered = replica.start();
  }

  /** Opens the operators' server and starts dialling, which goes on for as long as it takes. Throws CONFIG_*. */
  static async start(options: ConnectorProcessOptions): Promise<ConnectorProcess> {
    const { config, credentials, log, onDialFailed, metricsHandle, replaces } = options;
    const metrics = new ConnectorMetrics({ version: VERSION });
    const tunnelName = config.tunnel ?? credentials.name ?? credentials.id;
    const replica = new Replica({
      ...(options.id !== undefined && { id: options.id }),
      gateways: config.gateways,
      ca: config.caFile === undefined ? undefined : await readFile(config.caFile, 'utf8'),
      token: credentials.token,
      tunnelName,
      rules: config.ingress,
      linkCount: config.linkCount,
      ...(replaces && { replaces }),
      ...(onDialFailed && { onDialFailed }),
      log,
      metrics,
    });
    const openOps = async (handle?: ListeningHandle): Promise<OpenOps | undefined> =>
      openOpsServer({
        config,
        log,
        handle,
        metrics,
        ready: () => readiness(replica, metrics.config, tunnelName),
      });
    const ops = metricsHandle === undefined ? await openOps() : undefined;
    return new ConnectorProcess(replica, metrics.config, openOps, ops);
  }

  /** Has the operators' server listen on what another process had, and may still have. */
  async listen(handle: ListeningHandle): Promise<void> {
    this.#ops ??= await this.#openOps(handle);
  }

  /** The listener of the operators' server, for another process, where it is for this address. It stays ours, too. */
  lendMetrics(address: string): ListeningHandle | undefined {
    return this.#ops?.key === address ? handleOfServer(this.#ops.listener) : undefined;
  }

  /** Leaves the operators' server to another process. Safe to call twice. */
  async closeMetrics(): Promise<void> {
    await this.#ops?.server.close();
  }

  async drain(graceMs: number): Promise<number> {
    return this.replica.drain(graceMs);
  }

  async stop(): Promise<void> {
    await this.replica.stop();
  }

  async release(): Promise<void> {
    await this.closeMetrics();
  }
}

/** The operators' server, with what another process needs to take it over. */
interface OpenOps {
  readonly server: OpsServer;
  readonly listener: Server;
  /** Its address as the configuration writes it: with port 0, it names the same listener and not any port. */
  readonly key: string;
}

async function openOpsServer(options: {
  readonly config: ConnectorConfig;
  readonly log: Log;
  readonly handle: ListeningHandle | undefined;
  readonly metrics: ConnectorMetrics;
  readonly ready: () => Readiness;
}): Promise<OpenOps | undefined> {
  const { config, log, handle, metrics, ready } = options;
  if (config.metrics === undefined) return undefined;
  let listener: Server | undefined;
  const server = await startOpsServer({
    listen: config.metrics,
    open: async (opened, address) => {
      listener = opened;
      return handle === undefined ? bindOpsServer(opened, address) : listenOnHandle(opened, handle);
    },
    registry: metrics.registry,
    ready,
  }).catch((error: unknown) => {
    throw placedError(config, ['metrics'], error);
  });
  log.info({ [FIELD.address]: formatListenAddress(server.address) }, 'metrics and readiness');
  const key = formatListenAddress(config.metrics);
  return listener && { server, listener, key };
}

function readiness(replica: Replica, config: ConfigState, tunnel: string): Readiness {
  return {
    ready: replica.isReady,
    detail: {
      readyConnections: replica.linkCount,
      connectorId: replica.id,
      tunnel,
      streams: replica.streamCount,
      version: VERSION,
      config: config.status,
    },
  };
}
