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
