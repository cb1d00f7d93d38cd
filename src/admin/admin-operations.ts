/**
 * What an administrator can do, once, whoever asks: the command line on the database, or a running gateway over its
 * socket. docs/decisions/0008.
 *
 * The order of a change is fixed: the store, then the gateway, then the audit event. A token that is no longer good has lost
 * its links before anything else can fail.
 */
import { systemClock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import type { GatewayStatus, ReplicaStatus, TunnelStatus } from '../gateway/gateway-status.ts';
import type { TailListener } from '../gateway/request-tail.ts';
import type { Route, Store, Tunnel } from '../store/store.ts';
import { newAuditEvent, type AuditFact } from '../telemetry/audit-event.ts';
import type {
  AdminCall,
  AdminCalls,
  ChangedUser,
  CreatedTunnel,
  DeletedTunnel,
  DrainResult,
  GatewaySummary,
  HandOverSummary,
  NoParams,
  ReplicaSummary,
  RevokedTunnel,
  RouteSummary,
  ServiceTokenSummary,
  SshAuthoritySummary,
  TunnelInfo,
  TunnelSummary,
  WorkersSummary,
} from './admin-api.ts';
import { AdminFeed } from './admin-feed.ts';
import { listAudit } from './audit-operations.ts';
import {
  createServiceToken,
  listServiceTokens,
  revokeServiceToken,
  rotateServiceToken,
} from './service-token-operations.ts';
import { listSessions, revokeSessions } from './session-operations.ts';
import { listSshAuthorities, rotateSshAuthority } from './ssh-operations.ts';
import { parseTailFilter, type TailFilterText } from './tail-filter.ts';
import { tailedRequest } from './tail-line.ts';
import { addUser, changePassword, listUsers, removeUser } from './user-operations.ts';

/** What has to be told of a change, as it happens. */
export interface ChangeListener {
  routesChanged(): Promise<void>;
  tunnelRevoked(tunnel: RevokedTunnel): Promise<void>;
}

/** The running gateway, as far as administrators see it. */
export interface RunningGateway extends ChangeListener {
  status(): GatewayStatus;
  replicas(tunnelId: string): readonly ReplicaStatus[];
  /** Those that have connectors. */
  tunnels(): readonly TunnelStatus[];
  /** Tells of each request of a tunnel when it has ended; the result ends that. Throws ADMIN_BUSY. */
  tail(tunnelId: string, listener: TailListener): () => void;
  /** Drains and ends the process; resolves with how much was cut. */
  drain(): Promise<number>;
  /** Replaces the worker by one of what is on disk. */
  reload(): Promise<HandOverSummary>;
  /** Goes back to the worker before, which still drains. */
  rollBack(): Promise<HandOverSummary>;
  /** The processes of the gateway, where it has several. */
  workers(): Promise<WorkersSummary | undefined>;
}

export interface AdminOperationsOptions {
  readonly store: Store;
  /** Who asks, for the audit log: `cli:alice`. */
  readonly actor: string;
  /** Who learns of changes when no gateway runs here. */
  readonly listener?: ChangeListener;
  /** The gateway of this process. */
  readonly gateway?: RunningGateway;
}

type Handlers = {
  readonly [C in AdminCall]: (params: AdminCalls[C]['params']) => Promise<AdminCalls[C]['result']>;
};

export class AdminOperations {
  readonly #store: Store;
  readonly #actor: string;
  readonly #listener: ChangeListener | undefined;
  readonly #gateway: RunningGateway | undefined;
  readonly #handlers: Handlers = {
    'tunnel.create': async ({ name }) => this.#createTunnel(name),
    'tunnel.list': async () => this.#listTunnels(),
    'tunnel.info': async ({ tunnel }) => this.#tunnelInfo(tunnel),
    'tunnel.tail': async ({ tunnel, ...filter }) => this.#tail(tunnel, filter),
    'tunnel.rotate': async ({ tunnel }) => this.#rotateTunnel(tunnel),
    'tunnel.delete': async ({ tunnel }) => this.#deleteTunnel(tunnel),
    'route.add': async ({ tunnel, hostname }) => this.#addRoute(tunnel, hostname),
    'route.list': async ({ tunnel }) => (await this.#store.routes.list(tunnel)).map(routeSummary),
    'route.remove': async ({ hostname }) => this.#removeRoute(hostname),
    'ssh.authorities': async () => listSshAuthorities(this.#store),
    'ssh.rotate': async ({ after }) => this.#rotateSsh(after),
    'session.list': async () => listSessions(this.#store),
    'session.revoke': async (params) =>
      revokeSessions(this.#store, params, async (fact) => this.#audit(fact)),
    'service-token.create': async (params) =>
      this.#serviceTokenChanged(
        'service-token.create',
        await createServiceToken(this.#store, params, systemClock.wall()),
      ),
    'service-token.list': async () => listServiceTokens(this.#store),
    'service-token.rotate': async (params) =>
      this.#serviceTokenChanged(
        'service-token.rotate',
        await rotateServiceToken(this.#store, params),
      ),
    'service-token.revoke': async ({ name }) =>
      this.#serviceTokenChanged(
        'service-token.revoke',
        await revokeServiceToken(this.#store, name),
      ),
    'audit.list': async (params) => listAudit(this.#store, params),
    'user.add': async (params) => this.#userChanged('user.add', await addUser(this.#store, params)),
    'user.list': async () => listUsers(this.#store),
    'user.remove': async ({ name }) =>
      this.#userChanged('user.remove', await removeUser(this.#store, name)),
    'user.passwd': async (params) =>
      this.#userChanged('user.passwd', await changePassword(this.#store, params)),
    'gateway.status': async () => gatewaySummary(this.#running),
    'gateway.drain': async () => this.#drain(),
    'gateway.reload': async () => {
      await this.#audit({ type: 'gateway.reload' });
      return this.#running.reload();
    },
    'gateway.roll-back': async () => {
      await this.#audit({ type: 'gateway.roll-back' });
      return this.#running.rollBack();
    },
    'gateway.refresh': async (params) => this.#refresh(params),
  };

  constructor({ store, actor, listener, gateway }: AdminOperationsOptions) {
    this.#store = store;
    this.#actor = actor;
    this.#listener = listener ?? gateway;
    this.#gateway = gateway;
  }

  /** Carries out a call whose parameters were checked. Rejects with a PosternError. */
  async call<C extends AdminCall>(
    call: C,
    params: AdminCalls[C]['params'],
  ): Promise<AdminCalls[C]['result']> {
    return this.#handlers[call](params);
  }

  get #running(): RunningGateway {
    if (this.#gateway !== undefined) return this.#gateway;
    throw new PosternError('CLI_FAILED', 'Cannot ask the gateway: it does not run here');
  }

  async #createTunnel(name: string): Promise<CreatedTunnel> {
    const { tunnel, token } = await this.#store.tunnels.create(name);
    await this.#audit({ type: 'tunnel.create', tunnel: tunnel.name, detail: { id: tunnel.id } });
    return { id: tunnel.id, name: tunnel.name, token };
  }

  async #listTunnels(): Promise<TunnelSummary[]> {
    const { tunnels, routes } = this.#store;
    const [all, allRoutes] = await Promise.all([tunnels.list(), routes.list()]);
    return all.map((tunnel) => {
      const replicas = this.#gateway?.replicas(tunnel.id);
      return {
        ...identity(tunnel),
        routes: allRoutes.filter(({ tunnelId }) => tunnelId === tunnel.id).length,
        ...(replicas !== undefined && {
          replicas: replicas.filter(({ links }) => links.length > 0).length,
          links: replicas.reduce((sum, { links }) => sum + links.length, 0),
        }),
      };
    });
  }

  async #find(nameOrId: string): Promise<Tunnel> {
    const tunnel = await this.#store.tunnels.find(nameOrId);
    if (tunnel !== undefined) return tunnel;
    const message = `Cannot show tunnel "${nameOrId}": no such tunnel exists`;
    throw new PosternError('STORE_NOT_FOUND', message);
  }

  async #tail(nameOrId: string, filter: TailFilterText): Promise<AdminFeed> {
    const gateway = this.#running;
    const { id } = await this.#find(nameOrId);
    const isWanted = parseTailFilter(filter);
    return new AdminFeed((push) =>
      gateway.tail(id, (summary) => {
        const line = tailedRequest(summary, systemClock.wall());
        if (isWanted(line)) push(line);
      }),
    );
  }

  async #tunnelInfo(nameOrId: string): Promise<TunnelInfo> {
    const tunnel = await this.#find(nameOrId);
    const routes = await this.#store.routes.list(tunnel.id);
    const replicas = this.#gateway?.replicas(tunnel.id);
    return {
      ...identity(tunnel),
      routes: routes.map(({ hostname }) => hostname),
      ...(replicas !== undefined && { replicas: replicas.map(replicaSummary) }),
    };
  }

  async #rotateTunnel(nameOrId: string): Promise<CreatedTunnel> {
    const { tunnel, token } = await this.#store.tunnels.rotate(nameOrId);
    const { id, name } = tunnel;
    await this.#listener?.tunnelRevoked({ id, name, reason: 'rotated' });
    await this.#audit({ type: 'tunnel.rotate', tunnel: name, detail: { id } });
    return { id, name, token };
  }

  async #deleteTunnel(nameOrId: string): Promise<DeletedTunnel> {
    const { id, name } = await this.#store.tunnels.delete(nameOrId);
    await this.#listener?.tunnelRevoked({ id, name, reason: 'deleted' });
    await this.#listener?.routesChanged();
    await this.#audit({ type: 'tunnel.delete', tunnel: name, detail: { id } });
    return { id, name };
  }

  async #addRoute(tunnel: string, hostname: string): Promise<RouteSummary> {
    return this.#routeChanged('route.add', await this.#store.routes.add(tunnel, hostname));
  }

  async #removeRoute(hostname: string): Promise<RouteSummary> {
    return this.#routeChanged('route.remove', await this.#store.routes.remove(hostname));
  }

  async #routeChanged(type: string, route: Route): Promise<RouteSummary> {
    await this.#listener?.routesChanged();
    await this.#audit({ type, tunnel: route.tunnelName, hostname: route.hostname });
    return routeSummary(route);
  }

  async #rotateSsh(after: string): Promise<readonly SshAuthoritySummary[]> {
    const keys = await rotateSshAuthority(this.#store, after);
    const next = keys.at(-1);
    await this.#audit({
      type: 'ssh.rotate',
      detail: { fingerprint: next?.fingerprint ?? '', activeFrom: next?.activeFrom ?? '' },
    });
    return keys;
  }

  async #userChanged(type: string, changed: ChangedUser): Promise<ChangedUser> {
    await this.#audit({ type, detail: { user: changed.name } });
    return changed;
  }

  async #serviceTokenChanged<T extends ServiceTokenSummary>(type: string, token: T): Promise<T> {
    const { id, name, expiresAt } = token;
    const detail = { id, name, ...(expiresAt !== undefined && { expiresAt }) };
    await this.#audit({ type, detail });
    return token;
  }

  async #drain(): Promise<DrainResult> {
    const gateway = this.#running;
    await this.#audit({ type: 'gateway.drain' });
    return { cut: await gateway.drain() };
  }

  async #refresh({ id, name, reason }: Partial<RevokedTunnel>): Promise<NoParams> {
    const gateway = this.#running;
    if (id !== undefined && name !== undefined && reason !== undefined) {
      await gateway.tunnelRevoked({ id, name, reason });
    }
    await gateway.routesChanged();
    return {};
  }

  async #audit(fact: AuditFact): Promise<void> {
    await this.#store.audit.append(newAuditEvent({ ...fact, actor: this.#actor }));
  }
}

function identity({ id, name, createdAt, rotatedAt }: Tunnel) {
  return {
    id,
    name,
    createdAt: isoTime(createdAt),
    ...(rotatedAt !== undefined && { rotatedAt: isoTime(rotatedAt) }),
  };
}

function routeSummary({ hostname, tunnelName, tunnelId, createdAt }: Route): RouteSummary {
  return { hostname, tunnel: tunnelName, tunnelId, createdAt: isoTime(createdAt) };
}

/** Tunnels that `gateway status` tells of: what a person can read. `tunnel list` has all. */
const MAX_TUNNELS = 500;

async function gatewaySummary(gateway: RunningGateway): Promise<GatewaySummary> {
  const status = gateway.status();
  const { pid: supervisor, ...processes } = (await gateway.workers()) ?? {};
  const startedAt = isoTime(status.startedAt);
  const tunnels = gateway.tunnels();
  return {
    ...status,
    startedAt,
    ...processes,
    ...(supervisor !== undefined && { supervisor }),
    tunnels: tunnels.slice(0, MAX_TUNNELS),
    ...(tunnels.length > MAX_TUNNELS && { moreTunnels: tunnels.length - MAX_TUNNELS }),
  };
}

function replicaSummary(replica: ReplicaStatus): ReplicaSummary {
  return {
    ...replica,
    startedAt: isoTime(replica.startedAt),
    links: replica.links.map((link) => ({ ...link, since: isoTime(link.since) })),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
