/**
 * A gateway with everything around it: its state, its admin socket, its signals. Used by `gateway run` and by the
 * quickstart.
 *
 * Acquires in order and releases in reverse, also after a start that failed half-way. The admin socket comes first: it is
 * what keeps a second gateway away from the same state.
 */
import { AdminOperations, type RunningGateway } from '../admin/admin-operations.ts';
import { startAdminServer, type AdminServer } from '../admin/admin-server.ts';
import { adminSocketPath } from '../admin/admin-socket.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { VERSION } from '../core/version.ts';
import { Gateway } from '../gateway/gateway.ts';
import { openStore } from '../store/sqlite/open.ts';
import type { Store } from '../store/store.ts';
import { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import { databaseFile } from './open-admin.ts';
import type { Drainable } from './run-until-stopped.ts';

export interface GatewayProcessOptions {
  readonly config: GatewayConfig;
  readonly log: Log;
  /** `gateway drain` was called; resolves with how much was cut. */
  readonly onDrainAsked: () => Promise<number>;
}

export class GatewayProcess implements Drainable {
  readonly store: Store;
  readonly gateway: Gateway;
  readonly #admin: AdminServer;

  private constructor(store: Store, gateway: Gateway, admin: AdminServer) {
    this.store = store;
    this.gateway = gateway;
    this.#admin = admin;
  }

  /** Opens everything. Throws CONFIG_* and STORE_*, and leaves nothing open. */
  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    const { config, log, onDrainAsked } = options;
    const path = adminSocketPath(config.dataDir);
    const store = await openStore({ file: databaseFile(config.dataDir) });
    const metrics = new GatewayMetrics({ version: VERSION });
    const gateway = new Gateway({ config, store, log, metrics });
    let admin: AdminServer | undefined;
    try {
      const running = runningGateway(gateway, onDrainAsked);
      admin = await startAdminServer({
        path,
        log,
        handle: async ({ call, actor, params }) =>
          new AdminOperations({ store, actor, gateway: running }).call(call, params),
      });
      await gateway.start();
      return new GatewayProcess(store, gateway, admin);
    } catch (error) {
      await admin?.close();
      await store.close();
      throw error;
    }
  }

  async drain(graceMs: number): Promise<number> {
    return this.gateway.drain(graceMs);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
  }

  /** Gives back what start() took, after drain() or stop(). */
  async release(): Promise<void> {
    await this.#admin.close();
    await this.store.close();
  }
}

function runningGateway(gateway: Gateway, drain: () => Promise<number>): RunningGateway {
  return {
    status: () => gateway.status(),
    replicas: (tunnelId) => gateway.replicas(tunnelId),
    routesChanged: async () => gateway.loadRoutes(),
    tunnelRevoked: async ({ id, name, reason }) => {
      gateway.revokeTunnel({ id, name, createdAt: 0, rotatedAt: undefined }, reason);
    },
    drain,
  };
}
