/**
 * The calls of the admin API: what may be asked for, with which parameters, and what comes back. Plain data, so that the
 * same call works in one process and over a socket. docs/decisions/0008.
 *
 * Names of calls and fields are API: the command line prints results as they are with `-o json`. Times are ISO 8601.
 */
import type { AuthorityKey } from '../access/ssh/ssh-authority.ts';
import type { AuditEvent } from '../telemetry/audit-event.ts';
import type { AdminFeed } from './admin-feed.ts';
import type { TailFilterText } from './tail-filter.ts';
import type {
  GatewayStatus,
  LinkStatus,
  ReplicaStatus,
  TunnelStatus,
} from '../gateway/gateway-status.ts';

/** What is asked for when there is nothing to say. */
export type NoParams = Readonly<Record<string, never>>;

/** What a gateway says about itself: the worker that was asked, and all the processes where there are several. */
export interface GatewaySummary
  extends Omit<GatewayStatus, 'startedAt'>, Partial<Omit<WorkersSummary, 'pid'>> {
  readonly startedAt: string;
  readonly supervisor?: number;
  /** Tunnels with connectors at this worker, by name; absent in versions before, and of other workers. */
  readonly tunnels?: readonly TunnelStatus[];
  /** How many more there are. */
  readonly moreTunnels?: number;
}

/** A connected replica. */
export interface ReplicaSummary extends Omit<ReplicaStatus, 'startedAt' | 'links'> {
  readonly startedAt: string;
  readonly links: readonly LinkSummary[];
}

/** A link of a replica. */
interface LinkSummary extends Omit<LinkStatus, 'since'> {
  readonly since: string;
}

/** A tunnel with a token that is shown this once. */
export interface CreatedTunnel {
  readonly id: string;
  readonly name: string;
  /** A secret. */
  readonly token: string;
}

/** A tunnel as a list shows it. */
export interface TunnelSummary {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  /** When the token was last replaced; absent when it is the first one. */
  readonly rotatedAt?: string;
  readonly routes: number;
  /** Connected replicas and links; absent when no gateway runs. */
  readonly replicas?: number;
  readonly links?: number;
}

/** A tunnel with all there is to know about it. */
export interface TunnelInfo extends Pick<TunnelSummary, 'id' | 'name' | 'createdAt' | 'rotatedAt'> {
  readonly routes: readonly string[];
  /** Absent when no gateway runs. */
  readonly replicas?: readonly ReplicaSummary[];
}

export interface DeletedTunnel {
  readonly id: string;
  readonly name: string;
}

/** A public hostname and the tunnel it leads to. */
export interface RouteSummary {
  readonly hostname: string;
  readonly tunnel: string;
  readonly tunnelId: string;
  readonly createdAt: string;
}

/** How a drain ended. */
export interface DrainResult {
  /** Requests, WebSockets and TCP connections that had to be cut. */
  readonly cut: number;
}

/** How a hand-over from one worker to another ended. */
export interface HandOverSummary {
  /** The worker that takes what is new. */
  readonly generation: number;
  readonly pid: number;
  readonly version: string;
  /** Generations that still end what they have. */
  readonly draining: readonly number[];
}

/** A process that does the work of a gateway. */
export interface WorkerSummary {
  readonly pid: number;
  readonly generation: number;
  readonly version: string;
  /** `starting`, `active` or `draining`. */
  readonly state: string;
  /** Since when it is in its state. */
  readonly since: string;
  /** What it says of itself; absent when it does not answer. */
  readonly work?: Omit<GatewaySummary, keyof WorkersSummary | 'supervisor'>;
}

/** The processes of a gateway. */
export interface WorkersSummary {
  /** Process id of the supervisor. */
  readonly pid: number;
  /** Of the worker that takes what is new; absent while there is none. */
  readonly generation?: number;
  readonly workers: readonly WorkerSummary[];
}

/** A tunnel whose links must end. */
export interface RevokedTunnel {
  readonly id: string;
  readonly name: string;
  readonly reason: 'rotated' | 'deleted';
}

/** A key of the SSH authority. */
export interface SshAuthoritySummary extends Omit<AuthorityKey, 'activeFrom'> {
  readonly activeFrom: string;
}

/** A local user, without what they prove themselves with. */
export interface UserSummary {
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  /** Whether a one-time code is asked for. */
  readonly totp: boolean;
  readonly disabled: boolean;
  readonly createdAt: string;
}

/** A local user that was changed. */
export interface ChangedUser {
  readonly name: string;
  /** A secret: what an authenticator app reads, shown this once. */
  readonly totpUri?: string;
}

/** Somebody who is signed in. */
export interface SessionSummary {
  readonly id: string;
  readonly kind: 'browser' | 'client';
  readonly email?: string;
  readonly provider: string;
  readonly subject: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly address: string;
  readonly agent: string;
}

/** How many sessions were ended. */
export interface RevokedSessions {
  readonly revoked: number;
}

/** A credential of a machine, without its secret. */
export interface ServiceTokenSummary {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly rotatedAt?: string;
  readonly expiresAt?: string;
  /** Until when the secret before the last rotation is good. */
  readonly previousUntil?: string;
}

/** A service token with a secret that is shown this once. */
export interface NewServiceToken extends ServiceTokenSummary {
  /** A secret. */
  readonly secret: string;
}

/** An audit event. */
export interface AuditSummary extends Omit<AuditEvent, 'at'> {
  readonly at: string;
}

/** Every call: its parameters, all of them text, and its result. */
export interface AdminCalls {
  'tunnel.create': { params: { readonly name: string }; result: CreatedTunnel };
  'tunnel.list': { params: NoParams; result: readonly TunnelSummary[] };
  'tunnel.info': { params: { readonly tunnel: string }; result: TunnelInfo };
  /** A `TailedRequest` a line, as requests end. Filters: tail-filter.ts. */
  'tunnel.tail': { params: { readonly tunnel: string } & TailFilterText; result: AdminFeed };
  'tunnel.rotate': { params: { readonly tunnel: string }; result: CreatedTunnel };
  'tunnel.delete': { params: { readonly tunnel: string }; result: DeletedTunnel };
  'route.add': {
    params: { readonly tunnel: string; readonly hostname: string };
    result: RouteSummary;
  };
  'route.list': { params: { readonly tunnel?: string }; result: readonly RouteSummary[] };
  'route.remove': { params: { readonly hostname: string }; result: RouteSummary };
  /** Keys that sshd must trust; the first is made when there is none. */
  'ssh.authorities': { params: NoParams; result: readonly SshAuthoritySummary[] };
  /** Adds a key that signs after this duration. */
  'ssh.rotate': { params: { readonly after: string }; result: readonly SshAuthoritySummary[] };
  'user.add': {
    params: {
      readonly name: string;
      readonly password: string;
      readonly email?: string;
      /** With commas between them. */
      readonly groups?: string;
      /** `yes` or `no`. */
      readonly totp?: string;
    };
    result: ChangedUser;
  };
  'session.list': { params: NoParams; result: readonly SessionSummary[] };
  /** One of: `id`, `email`, `all` as `yes`. */
  'session.revoke': {
    params: { readonly id?: string; readonly email?: string; readonly all?: string };
    result: RevokedSessions;
  };
  /** `expires`: a duration. */
  'service-token.create': {
    params: { readonly name: string; readonly expires?: string };
    result: NewServiceToken;
  };
  'service-token.list': { params: NoParams; result: readonly ServiceTokenSummary[] };
  /** `overlap`: a duration. */
  'service-token.rotate': {
    params: { readonly name: string; readonly overlap?: string };
    result: NewServiceToken;
  };
  'service-token.revoke': { params: { readonly name: string }; result: ServiceTokenSummary };
  /** A page, the newest event first; `before`: the id of an event. */
  'audit.list': {
    params: { readonly limit?: string; readonly before?: string };
    result: readonly AuditSummary[];
  };
  'user.list': { params: NoParams; result: readonly UserSummary[] };
  'user.remove': { params: { readonly name: string }; result: ChangedUser };
  'user.passwd': {
    /** `totp`: `new`, `none` or `keep`. */
    params: { readonly name: string; readonly password: string; readonly totp?: string };
    result: ChangedUser;
  };
  'gateway.status': { params: NoParams; result: GatewaySummary };
  'gateway.drain': { params: NoParams; result: DrainResult };
  'gateway.reload': { params: NoParams; result: HandOverSummary };
  'gateway.roll-back': { params: NoParams; result: HandOverSummary };
  /** Somebody changed the database while this gateway was starting: routes, or this tunnel's token. */
  'gateway.refresh': { params: Partial<RevokedTunnel>; result: NoParams };
}

export type AdminCall = keyof AdminCalls;

/** Something that answers calls: the running gateway over its socket, or the database itself. */
export interface AdminPort {
  /** Makes a call. Rejects with a PosternError: what the store throws, ADMIN_BAD_REQUEST, CLI_*. */
  call<C extends AdminCall>(
    call: C,
    params: AdminCalls[C]['params'],
  ): Promise<AdminCalls[C]['result']>;
  /** Lets go of what the port holds. Safe to call twice. */
  close(): Promise<void>;
}
