/**
 * A gateway with everything around it: its state and its admin socket. Used by `gateway run` and by the quickstart.
 *
 * Acquires in order and releases in reverse, also after a start that failed half-way. The admin socket comes first: it is
 * what keeps a second gateway, perhaps of a newer version with a newer database, away from the same state.
 */
import { AdminOperations, type RunningGateway } from '../../admin/admin-operations.ts';
import { startAdminServer, type AdminServer } from '../../admin/admin-server.ts';
import { adminSocketPath } from '../../admin/admin-socket.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { VERSION } from '../../core/version.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { openStore } from '../../store/sqlite/open.ts';
import type { Store } from '../../store/store.ts';
import { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import type { Log } from '../../telemetry/log.ts';
import { Deferred } from '../deferred.ts';
import type { LongRunning } from '../long-running.ts';
import { databaseFile } from '../open-admin.ts';
import { watchGatewayConfig } from './watch-gateway-config.ts';

export interface GatewayProcessOptions {
  readonly config: GatewayConfig;
  readonly log: Log;
  /** Reads the configuration again, for policies that change while the gateway runs. Absent: they do not. */
  readonly load?: (() => Promise<GatewayConfig>) | undefined;
  /** `gateway drain` was called; resolves with how much was cut. */
  onDrainAsked(): Promise<number>;
}

/** What a gateway runs on. */
interface Parts {
  readonly admin: AdminServer;
  readonly store: Store;
  readonly gateway: Gateway;
  readonly running: RunningGateway;
  readonly watch: Timer | undefined;
}

export class GatewayProcess implements LongRunning {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Opens everything. Throws CONFIG_* and STORE_*, and leaves nothing open. */
  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    const { config, log } = options;
    const opened = new Deferred<GatewayProcess>();
    const admin = await startAdminServer({
      path: adminSocketPath(config.dataDir),
      log,
      handle: async ({ call, actor, params }) => {
        const program = await opened.promise;
        return program.operations(actor).call(call, params);
      },
    });
    let store: Store | undefined;
    try {
      store = await openStore({ file: databaseFile(config.dataDir) });
      const metrics = new GatewayMetrics({ version: VERSION });
      const gateway = new Gateway({ config, store, log, metrics });
      await gateway.start();
      const running = runningGateway(gateway, options);
      const watch = watchPolicies(gateway, options);
      const program = new GatewayProcess({ admin, store, gateway, running, watch });
      opened.resolve(program);
      return program;
    } catch (error) {
      await admin.close();
      await store?.close();
      throw error;
    }
  }

  /** What an administrator can do here, for whoever composes more than the gateway. */
  operations(actor: string): AdminOperations {
    const { store, running: gateway } = this.#parts;
    return new AdminOperations({ store, actor, gateway });
  }

  async drain(graceMs: number): Promise<number> {
    return (await this.#parts.gateway.drain(graceMs)) ?? 0;
  }

  async stop(): Promise<void> {
    await this.#parts.gateway.stop();
  }

  async release(): Promise<void> {
    this.#parts.watch?.cancel();
    await this.#parts.admin.close();
    await this.#parts.store.close();
  }
}

function watchPolicies(
  gateway: Gateway,
  { config, log, load }: GatewayProcessOptions,
): Timer | undefined {
  if (load === undefined) return undefined;
  const apply = (changed: GatewayConfig): void => gateway.setPolicies(changed);
  return watchGatewayConfig({ config, clock: systemClock, log, load, apply });
}

function runningGateway(gateway: Gateway, options: GatewayProcessOptions): RunningGateway {
  return {
    status: () => gateway.status(),
    replicas: (tunnelId) => gateway.replicas(tunnelId),
    routesChanged: async () => gateway.loadRoutes(),
    tunnelRevoked: async ({ id, name, reason }) => {
      gateway.revokeTunnel({ id, name, createdAt: 0, rotatedAt: undefined }, reason);
    },
    drain: async () => options.onDrainAsked(),
  };
}
