/**
 * Tunnels and the proof of being one. A token's secret is never stored, only its SHA-256, and it is compared in
 * constant time: neither the database nor a stop-watch tells anybody a token.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

import type { Selectable } from 'kysely';

import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { newId } from '../../core/id.ts';
import { isTunnelName, TUNNEL_NAME_RULE } from '../../core/tunnel-name.ts';
import {
  formatTunnelToken,
  parseTunnelToken,
  TUNNEL_SECRET_BYTES,
} from '../../core/tunnel-token.ts';
import type { Schema } from '../schema.ts';
import type { IssuedTunnel, Tunnel, TunnelStore } from '../store.ts';
import { noteChange } from './change-store.ts';
import { quoted } from './quoted.ts';
import type { Session } from './session.ts';
import { selectTunnel, unknownTunnel } from './select-tunnel.ts';

/** What the secret of an unknown tunnel is compared with, so that it takes as long as any other. */
const NO_HASH = '0'.repeat(64);

export class SqlTunnelStore implements TunnelStore {
  readonly #session: Session;
  readonly #clock: Clock;

  constructor(session: Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  async create(name: string): Promise<IssuedTunnel> {
    const action = `create tunnel ${quoted(name)}`;
    if (!isTunnelName(name)) {
      throw new PosternError('ADMIN_BAD_REQUEST', `Cannot ${action}: the name ${TUNNEL_NAME_RULE}`);
    }
    const id = newId();
    const { token, secretHash } = issueToken(id);
    const row = await this.#session.write(action, (db) =>
      db
        .insertInto('tunnels')
        .values({
          id,
          name,
          secret_hash: secretHash,
          created_at: this.#clock.wall(),
          rotated_at: null,
        })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .returningAll()
        .executeTakeFirst(),
    );
    if (row === undefined) {
      throw new PosternError('STORE_EXISTS', `Cannot ${action}: a tunnel has this name already`);
    }
    return { tunnel: toTunnel(row), token };
  }

  async list(): Promise<Tunnel[]> {
    const rows = await this.#session.read('list tunnels', (db) =>
      db.selectFrom('tunnels').selectAll().orderBy('name').execute(),
    );
    return rows.map(toTunnel);
  }

  async find(nameOrId: string): Promise<Tunnel | undefined> {
    const row = await this.#session.read('find a tunnel', (db) => selectTunnel(db, nameOrId));
    return row && toTunnel(row);
  }

  async verifyToken(token: string): Promise<Tunnel | undefined> {
    const claim = parseTunnelToken(token);
    if (claim === undefined) return undefined;
    const row = await this.#session.read('verify a tunnel token', (db) =>
      db.selectFrom('tunnels').selectAll().where('id', '=', claim.tunnelId).executeTakeFirst(),
    );
    const isRight = timingSafeEqual(
      Buffer.from(hashOf(claim.secret), 'hex'),
      Buffer.from(row?.secret_hash ?? NO_HASH, 'hex'),
    );
    return row !== undefined && isRight ? toTunnel(row) : undefined;
  }

  async rotate(nameOrId: string): Promise<IssuedTunnel> {
    const action = `rotate the token of tunnel ${quoted(nameOrId)}`;
    return this.#session.write(action, async (db) => {
      const found = await selectTunnel(db, nameOrId);
      if (found === undefined) throw unknownTunnel(action);
      const { token, secretHash } = issueToken(found.id);
      const row = await db
        .updateTable('tunnels')
        .set({ secret_hash: secretHash, rotated_at: this.#clock.wall() })
        .where('id', '=', found.id)
        .returningAll()
        .executeTakeFirstOrThrow();
      await noteChange(db, { kind: 'tunnel', item: found.id });
      return { tunnel: toTunnel(row), token };
    });
  }

  async delete(nameOrId: string): Promise<Tunnel> {
    const action = `delete tunnel ${quoted(nameOrId)}`;
    return this.#session.write(action, async (db) => {
      const found = await selectTunnel(db, nameOrId);
      if (found === undefined) throw unknownTunnel(action);
      // Its routes go with it: the foreign key cascades.
      await db.deleteFrom('tunnels').where('id', '=', found.id).execute();
      await noteChange(db, { kind: 'tunnel', item: found.id });
      return toTunnel(found);
    });
  }
}

function issueToken(tunnelId: string): { token: string; secretHash: string } {
  const secret = randomBytes(TUNNEL_SECRET_BYTES);
  return { token: formatTunnelToken(tunnelId, secret), secretHash: hashOf(secret) };
}

function hashOf(secret: Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex');
}

function toTunnel(row: Selectable<Schema['tunnels']>): Tunnel {
  return {
    id: row.id,
    name: row.name,
    createdAt: row.created_at,
    rotatedAt: row.rotated_at ?? undefined,
  };
}
