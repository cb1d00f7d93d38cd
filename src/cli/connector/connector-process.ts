/**
 * A connector with everything around it: its replica and its operators' server. Used by `tunnel run` and by the
 * quickstart.
 */
import { readFile } from 'node:fs/promises';
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { Credentials } from '../../config/connector/credentials-file.ts';
import { formatListenAddress } from '../../config/listen-address.ts';
import { placedError } from '../../config/value-place.ts';
import { VERSION } from '../../core/version.ts';
import { Replica } from '../../connector/replica.ts';
import { ConnectorMetrics } from '../../telemetry/connector-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { startOpsServer, type OpsServer, type Readiness } from '../../telemetry/ops-server.ts';
import type { LongRunning } from '../long-running.ts';

export interface ConnectorProcessOptions {
  readonly config: ConnectorConfig;
  readonly credentials: Credentials;
  readonly log: Log;
}

export class ConnectorProcess implements LongRunning {
  readonly replica: Replica;
  /** Resolves when the first link is registered, or the connector was stopped before. */
  readonly registered: Promise<void>;
  readonly #ops: OpsServer | undefined;

  private constructor(replica: Replica, ops: OpsServer | undefined) {
    this.replica = replica;
    this.#ops = ops;
    this.registered = replica.start();
  }

  /** Opens the operators' server and starts dialling, which goes on for as long as it takes. Throws CONFIG_*. */
  static async start(options: ConnectorProcessOptions): Promise<ConnectorProcess> {
    const { config, credentials, log } = options;
    const metrics = new ConnectorMetrics({ version: VERSION });
    const tunnelName = config.tunnel ?? credentials.name ?? credentials.id;
    const replica = new Replica({
      gateways: config.gateways,
      ca: config.caFile === undefined ? undefined : await readFile(config.caFile, 'utf8'),
      token: credentials.token,
      tunnelName,
      rules: config.ingress,
      linkCount: config.linkCount,
      log,
      metrics,
    });
    if (config.metrics === undefined) return new ConnectorProcess(replica, undefined);
    const ops = await startOpsServer({
      listen: config.metrics,
      registry: metrics.registry,
      ready: () => readiness(replica, tunnelName),
    }).catch((error: unknown) => {
      throw placedError(config, ['metrics'], error);
    });
    log.info({ [FIELD.address]: formatListenAddress(ops.address) }, 'metrics and readiness');
    return new ConnectorProcess(replica, ops);
  }

  async drain(graceMs: number): Promise<number> {
    return this.replica.drain(graceMs);
  }

  async stop(): Promise<void> {
    await this.replica.stop();
  }

  async release(): Promise<void> {
    await this.#ops?.close();
  }
}

function readiness(replica: Replica, tunnel: string): Readiness {
  return {
    ready: replica.isReady,
    detail: {
      readyConnections: replica.linkCount,
      connectorId: replica.id,
      tunnel,
      streams: replica.streamCount,
      version: VERSION,
    },
  };
}
