/**
 * The state that outlives a process: tunnels, routes, audit events. Everything else asks for it through these
 * interfaces and never learns which database is behind them (design.md §7).
 *
 * Every promise rejects with a PosternError only. Beyond the codes named at each method: STORE_BUSY when another
 * process kept the database locked for too long (trying again makes sense), STORE_FAILED when the database cannot
 * be used or is closed. Times are ms since 1970.
 */
import type { AuditEvent } from '../telemetry/audit-event.ts';

/** The open state. Safe to share and to call concurrently; other processes may have the same one open. */
export interface Store {
  readonly tunnels: TunnelStore;
  readonly routes: RouteStore;
  readonly audit: AuditStore;
  readonly sessions: SessionStore;
  readonly serviceTokens: ServiceTokenStore;
  readonly keys: KeyStore;
  readonly onceItems: OnceStore;
  readonly users: UserStore;
  readonly changes: ChangeStore;
  /** Finishes what was begun, then releases the database. Safe to call twice. */
  close(): Promise<void>;
}

/** The identity that connectors run as. Its token is not part of it: only a hash of that is stored. */
export interface Tunnel {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  /** When the token was last replaced; undefined when it is the first one. */
  readonly rotatedAt: number | undefined;
}

/** A tunnel with its new token. The token cannot be read again. */
export interface IssuedTunnel {
  readonly tunnel: Tunnel;
  readonly token: string;
}

export interface TunnelStore {
  /** Makes a tunnel. ADMIN_BAD_REQUEST for a bad name (core/tunnel-name.ts), STORE_EXISTS for a taken one. */
  create(name: string): Promise<IssuedTunnel>;
  /** All tunnels, by name. */
  list(): Promise<Tunnel[]>;
  find(nameOrId: string): Promise<Tunnel | undefined>;
  /** The tunnel this token is for; undefined for every other text. Takes as long for a wrong secret as for a right one. */
  verifyToken(token: string): Promise<Tunnel | undefined>;
  /** Replaces the token; the old one is worth nothing from here on. STORE_NOT_FOUND. */
  rotate(nameOrId: string): Promise<IssuedTunnel>;
  /** Removes the tunnel and its routes; returns what it was. STORE_NOT_FOUND. */
  delete(nameOrId: string): Promise<Tunnel>;
}

/** A public hostname and the tunnel that serves it. */
export interface Route {
  /** Exact, or `*.suffix`; as core/route-hostname.ts writes it. */
  readonly hostname: string;
  readonly tunnelId: string;
  readonly tunnelName: string;
  readonly createdAt: number;
}

export interface RouteStore {
  /**
   * Routes a hostname to a tunnel; adding the same route again returns the existing one.
   * ADMIN_BAD_REQUEST for a bad hostname, STORE_NOT_FOUND for an unknown tunnel, ROUTE_CONFLICT when another tunnel
   * has exactly this hostname. A wildcard and a hostname it covers do not conflict.
   */
  add(tunnel: string, hostname: string): Promise<Route>;
  /** All routes, or those of one tunnel (name or id), by hostname. STORE_NOT_FOUND for an unknown tunnel. */
  list(tunnel?: string): Promise<Route[]>;
  /** Removes a route; returns what it was. ADMIN_BAD_REQUEST for a bad hostname, STORE_NOT_FOUND. */
  remove(hostname: string): Promise<Route>;
}

export interface AuditQuery {
  /** How many events at most, 1 to LIMITS.auditListed; ADMIN_BAD_REQUEST otherwise. */
  readonly limit: number;
  /** The id of an event: only those appended before it. Nothing when that event is gone, since older ones go first. */
  readonly before?: string;
}

/** What happened, kept in the order it was appended. Bounded: the oldest events above LIMITS.auditEvents go. */
export interface AuditStore {
  /**
   * Resolves once the event is on disk. Cheap: events that arrive together share a transaction.
   * Over-long texts are cut. STORE_BUSY when LIMITS.auditPending events wait already.
   */
  append(event: AuditEvent): Promise<void>;
  /** Newest first. */
  list(query: AuditQuery): Promise<AuditEvent[]>;
  /** Removes events that happened before this time; returns how many. */
  prune(before: number): Promise<number>;
}

/** A JSON object of which the store knows nothing more. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A signed-in person, in a browser or in the client. The secret is not part of it: only its hash is stored. */
export interface SessionRecord {
  readonly id: string;
  readonly kind: 'browser' | 'client';
  /** SHA-256 of the secret, lower-case hex. */
  readonly secretHash: string;
  /** An Identity of access. */
  readonly identity: JsonObject;
  readonly createdAt: number;
  readonly authenticatedAt: number;
  readonly refreshedAt: number;
  readonly expiresAt: number;
  readonly address: string;
  readonly agent: string;
  /** What the identity provider gave, encrypted at rest. */
  readonly provider: JsonObject;
  readonly revokedAt?: number;
  readonly revokedBecause?: string;
}

/** Sessions, also ended ones for a day. Bounded by LIMITS.sessions. Each change is one of ChangeStore. */
export interface SessionStore {
  /** STORE_EXISTS for an id or secret that is taken, STORE_LIMIT. */
  add(record: SessionRecord): Promise<void>;
  find(id: string): Promise<SessionRecord | undefined>;
  findBySecretHash(hash: string): Promise<SessionRecord | undefined>;
  /** Those that are neither revoked nor expired, oldest first. */
  list(): Promise<SessionRecord[]>;
  /** What a refresh brings. Resolves to the session; undefined when it is gone, revoked or expired. */
  refresh(
    id: string,
    change: Pick<SessionRecord, 'identity' | 'provider'>,
  ): Promise<SessionRecord | undefined>;
  /** Ends it; false when there was nothing to end. */
  revoke(id: string, because: string): Promise<boolean>;
}

/** A credential of a machine. Hashes are SHA-256 in lower-case hex. */
export interface ServiceTokenRecord {
  readonly id: string;
  readonly name: string;
  readonly secretHash: string;
  /** The secret before the last rotation, and until when it is still good. */
  readonly previous?: { readonly secretHash: string; readonly until: number };
  readonly createdAt: number;
  readonly rotatedAt?: number;
  readonly expiresAt?: number;
}

/** A service token with its new secret, which cannot be read again. */
export interface IssuedServiceToken {
  readonly token: ServiceTokenRecord;
  readonly secret: string;
}

/** Bounded by LIMITS.serviceTokens. Each change is one of ChangeStore. */
export interface ServiceTokenStore {
  /** ADMIN_BAD_REQUEST for a bad name (as of tunnels), STORE_EXISTS for a taken one, STORE_LIMIT. */
  create(name: string, expiresAt?: number): Promise<IssuedServiceToken>;
  /** All, expired ones too, by name. */
  list(): Promise<ServiceTokenRecord[]>;
  /** A new secret; the old one is good for another `overlapMs`. STORE_NOT_FOUND. */
  rotate(nameOrId: string, overlapMs: number): Promise<IssuedServiceToken>;
  /** Removes it; returns what it was. STORE_NOT_FOUND. */
  remove(nameOrId: string): Promise<ServiceTokenRecord>;
}

/** A private key of the gateway. */
export interface KeyRecord {
  readonly id: string;
  /** What it is for: `token`, `ssh-ca`… */
  readonly use: string;
  /** Encrypted at rest. */
  readonly privateJwk: JsonObject;
  readonly createdAt: number;
  /** From when it may sign. */
  readonly activeFrom: number;
  /** From when nothing it signed is valid; absent for a key that stays. */
  readonly retireAt?: number;
}

export interface KeyStore {
  /** The keys of a use, oldest first, retired ones too. */
  list(use: string): Promise<KeyRecord[]>;
  /** STORE_EXISTS for an id that is taken. */
  add(record: KeyRecord): Promise<void>;
  /** Does nothing when it is gone already. */
  remove(id: string): Promise<void>;
}

export type OnceKind =
  | 'login'
  | 'saml-assertion'
  | 'saml-request'
  | 'logout-token'
  | 'app-code'
  | 'client-code'
  | 'device';

/**
 * Values that are used once and end by themselves. Ids are stored hashed and values encrypted. LIMITS.onceItems of a
 * kind may be alive; above that STORE_LIMIT.
 */
export interface OnceStore {
  /** Keeps a value, also over one of the same id. */
  put(kind: OnceKind, id: string, value: JsonObject, expiresAt: number): Promise<void>;
  /** Takes it out: exactly one of several callers gets it. Undefined when there is none or it has expired. */
  take(kind: OnceKind, id: string): Promise<JsonObject | undefined>;
  /** True for the first claim of an id only, until `expiresAt`. */
  claim(kind: OnceKind, id: string, expiresAt: number): Promise<boolean>;
}

/** A local user. */
export interface UserRecord {
  readonly name: string;
  /** Of a password hash function, with its parameters. */
  readonly passwordHash: string;
  /** Encrypted at rest. */
  readonly totpSecret?: string;
  /** The last time step whose code was used. */
  readonly totpLastStep?: number;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
  readonly createdAt: number;
}

/** Bounded by LIMITS.users. */
export interface UserStore {
  /** STORE_EXISTS for a taken name, STORE_LIMIT. */
  add(user: UserRecord): Promise<void>;
  find(name: string): Promise<UserRecord | undefined>;
  /** By name. */
  list(): Promise<UserRecord[]>;
  /** Replaces everything but the name and the last time step. STORE_NOT_FOUND. */
  update(user: UserRecord): Promise<void>;
  /** STORE_NOT_FOUND. */
  remove(name: string): Promise<void>;
  /** Marks a time step as used. True for one caller only, and for no step at or before the last one. */
  claimTotpStep(name: string, step: number): Promise<boolean>;
}

/** Something that processes keep in memory has changed. */
export interface Change {
  readonly kind: 'session' | 'service-token' | 'tunnel' | 'route';
  /** Its id; the hostname of a route. A tunnel that is made is no change, one whose token is replaced or that goes is. */
  readonly item: string;
}

/** How processes on one database learn what others changed. The newest LIMITS.changes are kept. */
export interface ChangeStore {
  /** The number of the newest change; 0 where there was none. */
  latest(): Promise<number>;
  /** What changed after `seq`, and the number to ask with next; `missed` when some of it is not kept any more. */
  since(
    seq: number,
  ): Promise<{ readonly latest: number; readonly changes: readonly Change[] | 'missed' }>;
}
