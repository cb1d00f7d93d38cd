/**
 * The tables as Kysely sees them. They are made by migrations/, and the column names there and here must agree.
 * Only types that every database has: text and whole numbers.
 */
import type { Generated } from 'kysely';

export interface Schema {
  readonly tunnels: TunnelTable;
  readonly routes: RouteTable;
  readonly audit_events: AuditEventTable;
  readonly sessions: SessionTable;
  readonly service_tokens: ServiceTokenTable;
  readonly signing_keys: SigningKeyTable;
  readonly users: UserTable;
  readonly once_items: OnceItemTable;
  readonly changes: ChangeTable;
}

interface TunnelTable {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the token's secret, hex. The secret is 32 random bytes, so there is nothing to guess and no salt. */
  readonly secret_hash: string;
  readonly created_at: number;
  readonly rotated_at: number | null;
}

interface RouteTable {
  readonly hostname: string;
  readonly tunnel_id: string;
  readonly created_at: number;
}

interface AuditEventTable {
  /** The order of appending; clocks jump, this does not. */
  readonly seq: Generated<number>;
  readonly id: string;
  readonly at: number;
  readonly type: string;
  readonly tunnel: string | null;
  readonly hostname: string | null;
  readonly actor: string | null;
  /** JSON of an AuditDetail. */
  readonly detail: string | null;
}

interface SessionTable {
  readonly id: string;
  readonly kind: string;
  /** SHA-256 of the secret, hex. */
  readonly secret_hash: string;
  /** JSON of an identity. */
  readonly identity: string;
  readonly created_at: number;
  readonly authenticated_at: number;
  readonly refreshed_at: number;
  readonly expires_at: number;
  readonly address: string;
  readonly agent: string;
  /** JSON of what the identity provider gave, sealed. */
  readonly sealed_provider: string;
  readonly revoked_at: number | null;
  readonly revoked_because: string | null;
}

interface ServiceTokenTable {
  readonly id: string;
  readonly name: string;
  readonly secret_hash: string;
  readonly previous_hash: string | null;
  readonly previous_until: number | null;
  readonly created_at: number;
  readonly rotated_at: number | null;
  readonly expires_at: number | null;
}

interface SigningKeyTable {
  readonly id: string;
  readonly use: string;
  /** JSON of a private JWK, sealed. */
  readonly sealed_key: string;
  readonly created_at: number;
  readonly active_from: number;
  readonly retire_at: number | null;
}

interface UserTable {
  readonly name: string;
  readonly password_hash: string;
  readonly sealed_totp: string | null;
  readonly totp_last_step: number | null;
  readonly email: string | null;
  /** JSON of a list of names. */
  readonly groups: string;
  /** 0 or 1. */
  readonly disabled: number;
  readonly created_at: number;
}

interface OnceItemTable {
  readonly kind: string;
  /** SHA-256 of the id, hex: the id is often a secret of a browser. */
  readonly id_hash: string;
  /** JSON, sealed; null for an item that only marks its id as used. */
  readonly sealed_value: string | null;
  readonly expires_at: number;
}

interface ChangeTable {
  readonly seq: Generated<number>;
  readonly kind: string;
  readonly item: string;
}
