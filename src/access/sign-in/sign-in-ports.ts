/**
 * What sign-in needs from the rest of the gateway, and no more of it: sessions, single-use rows, addresses, the audit log.
 */
import type { AuditFact } from '../../telemetry/audit-event.ts';
import type { Identity } from '../identity.ts';

/** What a flow has to remember about a session, sealed in the store: `sid`, tokens, SAML's NameID. JSON values only. */
export type ProviderState = Readonly<Record<string, unknown>>;

/** A signed-in user. */
export interface Session {
  readonly id: string;
  readonly kind: 'browser' | 'client';
  readonly identity: Identity;
  readonly createdAt: number;
  readonly authenticatedAt: number;
  /** When the provider was last asked. */
  readonly refreshedAt: number;
  readonly expiresAt: number;
  readonly address: string;
  readonly agent: string;
  readonly provider: ProviderState;
}

export interface NewSession {
  readonly kind: 'browser' | 'client';
  readonly identity: Identity;
  readonly provider?: ProviderState;
  readonly address: string;
  readonly agent: string;
  /** When the person last proved who they are, where that was before now: sessions last from then on. */
  readonly authenticatedAt?: number;
}

/** The sessions of the gateway. */
export interface SessionKeeper {
  create(input: NewSession): Promise<{ readonly session: Session; readonly secret: string }>;
  verify(secret: string): Session | undefined | Promise<Session | undefined>;
  list(): Promise<readonly Session[]>;
  refresh(id: string, identity: Identity, provider: ProviderState): Promise<Session>;
  revoke(id: string, because: string): Promise<boolean>;
  revokeWhere(picks: (session: Session) => boolean, because: string): Promise<number>;
}

/** Single-use rows; OnceStore of the store. */
export interface OnceRows {
  put(
    kind: 'login',
    id: string,
    value: Readonly<Record<string, unknown>>,
    expiresAt: number,
  ): Promise<void>;
  take(kind: 'login', id: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  claim(kind: 'logout-token', id: string, expiresAt: number): Promise<boolean>;
}

/** How the gateway is called from outside. Comes from the configuration, never from a Host header (case O25). */
export interface OutsideAddress {
  /** `auth.<domain>` */
  readonly authHost: string;
  /** `https://host[:port]` */
  origin(hostname: string): string;
}

/** Writes an audit event. Resolves when it is kept. */
export type WriteAudit = (fact: AuditFact) => Promise<void>;
