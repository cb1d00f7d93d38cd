/**
 * The tables as Kysely sees them. They are made by migrations/, and the column names there and here must agree.
 * Only types that every database has: text and whole numbers.
 */
import type { Generated } from 'kysely';

export interface Schema {
  readonly tunnels: TunnelTable;
  readonly routes: RouteTable;
  readonly audit_events: AuditEventTable;
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
