/**
 * A gateway with everything around it: its state and its admin socket. Used by the workers of `gateway run` and by the
 * quickstart.
 *
 * Acquires in order and releases in reverse, also after a start that failed half-way. The admin socket comes first: it is
 * what keeps a second gateway, perhaps of a newer version with a newer database, away from the same state. A worker that
 * has predecessors is kept out of nothing by it, and opens it when it takes their place.
 */
import type { Server } from 'node:net';
import { AdminOperations, type RunningGateway } from '../../admin/admin-operations.ts';
import { claimAdminSocket, startAdminServer, type AdminServer } from '../../admin/admin-server.ts';
import { adminSocketPath } from '../../admin/admin-socket.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import { systemClock } from '../../core/clock.ts';
import { VERSION } from '../../core/version.ts';
import { Gateway, type PreparedConfig } from '../../gateway/gateway.ts';
import type { GatewayStatus } from '../../gateway/gateway-status.ts';
import { openStore } from '../../store/sqlite/open.ts';
import type { Store } from '../../store/store.ts';
import type { ConfigState } from '../../telemetry/config-state.ts';
import { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ListeningSockets } from '../../transport/listen-on.ts';
import type { WatchedConfig } from '../config-watch.ts';
import { Deferred } from '../deferred.ts';
import type { LongRunning } from '../long-running.ts';
import { databaseFile } from '../open-admin.ts';
import type { GatewayControl } from './gateway-control.ts';
import { watchGatewayConfig } from './watch-gateway-config.ts';

export interface GatewayProcessOptions {
  readonly config: GatewayConfig;
  readonly log: Log;
  /** Reads the configuration again, for what changes while the gateway runs. Absent: nothing does. */
  readonly load?: (() => Promise<GatewayConfig>) | undefined;
  /** What was read again last is in force. */
  readonly onTaken?: (() => void) | undefined;
  /** Does what administrators ask of the process. */
  readonly control: GatewayControl;
  /** What a supervisor gives. Absent: the process stands alone. */
  readonly supervised?: Supervised | undefined;
}

/** What a supervisor gives to a worker. */
interface Supervised {
  /** Others went before it. */
  readonly isSuccessor: boolean;
  readonly sockets: ListeningSockets;
  readonly ticketKeys: Buffer;
  /** Has the admin socket held for us; a server listens on it when one is given. EADDRINUSE when there is a file that is not ours. */
  openAdmin(path: string, server?: Server): Promise<void>;
}

/** What a gateway runs on. */
interface Parts {
  readonly store: Store;
  readonly gateway: Gateway;
  readonly running: RunningGateway;
  readonly watch: WatchedConfig | undefined;
}

export class GatewayProcess implements LongRunning {
  readonly #options: GatewayProcessOptions;
  readonly #opened = new Deferred<Parts>();
  #parts: Parts | undefined;
  #admin: AdminServer | undefined;

  private constructor(options: GatewayProcessOptions) {
    this.#options = options;
  }

  /** Opens everything. Throws CONFIG_* and STORE_*, and leaves nothing open. */
  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    const program = new GatewayProcess(options);
    await program.#start();
    return program;
  }

  /** What an administrator can do here, for whoever composes more than the gateway. */
  operations(actor: string): AdminOperations {
    const { store, running: gateway } = this.#open;
    return new AdminOperations({ store, actor, gateway });
  }

  /** Answers administrators from now on. Safe to call when it does. */
  async openAdmin(): Promise<void> {
    if (this.#admin !== undefined) return;
    const { config, log, supervised } = this.#options;
    const path = adminSocketPath(config.dataDir);
    this.#admin = await startAdminServer({
      path,
      log,
      ...(supervised && { open: async (server: Server) => supervised.openAdmin(path, server) }),
      handle: async ({ call, actor, params }) => {
        await this.#opened.promise;
        return this.operations(actor).call(call, params);
      },
    });
  }

  /** How long a drain may take, ms. */
  get gracePeriodMs(): number {
    return this.#open.gateway.gracePeriodMs;
  }

  status(): GatewayStatus {
    return this.#open.gateway.status();
  }

  /** As LongRunning says. `hasSuccessor`: another process answers administrators and probes. */
  async drain(graceMs: number): Promise<number> {
    return (await this.#open.gateway.drain(graceMs)) ?? 0;
  }

  /** The same, while a successor answers what is new, administrators and probes too. Undefined when resume() took it back. */
  async handOver(graceMs: number): Promise<number | undefined> {
    const { gateway, watch } = this.#open;
    const drained = gateway.drain(graceMs, { isHandOver: true });
    watch?.follow();
    await this.#closeAdmin();
    return drained;
  }

  /** Takes a drain back; false when it is too late. Throws CONFIG_PORT_IN_USE, and the drain goes on. */
  async resume(): Promise<boolean> {
    const { gateway, watch } = this.#open;
    const isBack = await gateway.resume();
    if (isBack) watch?.lead();
    return isBack;
  }

  async stop(): Promise<void> {
    await this.#open.gateway.stop();
  }

  async release(): Promise<void> {
    this.#open.watch?.cancel();
    await this.#closeAdmin();
    await this.#open.store.close();
  }

  get #open(): Parts {
    if (this.#parts === undefined) throw new Error('Cannot use the gateway: it is not open yet');
    return this.#parts;
  }

  async #start(): Promise<void> {
    const { config, log, supervised } = this.#options;
    if (supervised?.isSuccessor === true) {
      const path = adminSocketPath(config.dataDir);
      await claimAdminSocket(path, async () => supervised.openAdmin(path));
    } else {
      await this.openAdmin();
    }
    let store: Store | undefined;
    try {
      store = await openStore({ file: databaseFile(config.dataDir) });
      const metrics = new GatewayMetrics({ version: VERSION });
      const own = { config, store, log, metrics };
      const gateway = new Gateway(
        supervised === undefined ? own : { ...own, ...givenBy(supervised) },
      );
      await gateway.start();
      const running = runningGateway(gateway, this.#options);
      this.#parts = {
        store,
        gateway,
        running,
        watch: watchConfig(gateway, metrics.config, this.#options),
      };
      this.#opened.resolve(this.#parts);
    } catch (error) {
      await this.#closeAdmin();
      await store?.close();
      throw error;
    }
  }

  async #closeAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.close();
  }
}

function givenBy({ sockets, ticketKeys }: Supervised): Pick<Supervised, 'sockets' | 'ticketKeys'> {
  return { sockets, ticketKeys };
}

function watchConfig(
  gateway: Gateway,
  state: ConfigState,
  { config, log, load, onTaken, control }: GatewayProcessOptions,
): WatchedConfig | undefined {
  if (load === undefined) return undefined;
  return watchGatewayConfig({
    config,
    clock: systemClock,
    log,
    state,
    load,
    prepare: async (next): Promise<PreparedConfig> => gateway.prepare(next),
    onTaken,
    handOver: control.reloadChanged,
  });
}

function runningGateway(gateway: Gateway, { control }: GatewayProcessOptions): RunningGateway {
  return {
    status: () => gateway.status(),
    replicas: (tunnelId) => gateway.replicas(tunnelId),
    tunnels: () => gateway.tunnels(),
    tail: (tunnelId, listener) => gateway.tail(tunnelId, listener),
    routesChanged: async () => gateway.loadRoutes(),
    tunnelRevoked: async ({ id, name, reason }) => {
      gateway.revokeTunnel({ id, name }, reason);
    },
    drain: async () => control.drain(),
    reload: async () => control.reload(),
    rollBack: async () => control.rollBack(),
    workers: async () => control.workers(),
  };
}
