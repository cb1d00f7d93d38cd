/** Credentials of machines: an id and a secret, of which only the SHA-256 is stored, and for a while that of the one before. */
import { randomBytes } from 'node:crypto';

import type { Kysely, Selectable } from 'kysely';

import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { newId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { isTunnelName, TUNNEL_NAME_RULE } from '../../core/tunnel-name.ts';
import type { Schema } from '../schema.ts';
import type { IssuedServiceToken, ServiceTokenRecord, ServiceTokenStore } from '../store.ts';
import { noteChange } from './change-store.ts';
import { quoted } from './quoted.ts';
import { secretHash } from '../../core/secret-hash.ts';
import type { Session } from './session.ts';

type Row = Selectable<Schema['service_tokens']>;

/** Says at a glance what leaked, to people and to scanners. */
const PREFIX = 'pss_';

export class SqlServiceTokenStore implements ServiceTokenStore {
  readonly #session: Session;
  readonly #clock: Clock;

  constructor(session: Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  async create(name: string, expiresAt?: number): Promise<IssuedServiceToken> {
    const action = `create service token ${quoted(name)}`;
    if (!isTunnelName(name)) {
      throw new PosternError('ADMIN_BAD_REQUEST', `Cannot ${action}: the name ${TUNNEL_NAME_RULE}`);
    }
    const secret = newTokenSecret();
    const row: Row = {
      id: newId(),
      name,
      secret_hash: secretHash(secret),
      previous_hash: null,
      previous_until: null,
      created_at: this.#clock.wall(),
      rotated_at: null,
      expires_at: expiresAt ?? null,
    };
    await this.#session.write(action, async (db) => {
      const { count } = await db
        .selectFrom('service_tokens')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      if (count >= LIMITS.serviceTokens) {
        throw new PosternError('STORE_LIMIT', `Cannot ${action}: there are ${count}, the limit`);
      }
      const added = await db
        .insertInto('service_tokens')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (added === undefined) {
        throw new PosternError('STORE_EXISTS', `Cannot ${action}: another one has this name`);
      }
      await noteChange(db, { kind: 'service-token', item: row.id });
    });
    return { token: toRecord(row), secret };
  }

  async list(): Promise<ServiceTokenRecord[]> {
    const rows = await this.#session.read('list service tokens', (db) =>
      db.selectFrom('service_tokens').selectAll().orderBy('name').execute(),
    );
    return rows.map(toRecord);
  }

  async rotate(nameOrId: string, overlapMs: number): Promise<IssuedServiceToken> {
    const action = `rotate service token ${quoted(nameOrId)}`;
    const secret = newTokenSecret();
    return this.#session.write(action, async (db) => {
      const found = await selectToken(db, nameOrId);
      if (found === undefined) throw unknown(action);
      const now = this.#clock.wall();
      const row = await db
        .updateTable('service_tokens')
        .set({
          secret_hash: secretHash(secret),
          previous_hash: overlapMs > 0 ? found.secret_hash : null,
          previous_until: overlapMs > 0 ? now + overlapMs : null,
          rotated_at: now,
        })
        .where('id', '=', found.id)
        .returningAll()
        .executeTakeFirstOrThrow();
      await noteChange(db, { kind: 'service-token', item: found.id });
      return { token: toRecord(row), secret };
    });
  }

  async remove(nameOrId: string): Promise<ServiceTokenRecord> {
    const action = `remove service token ${quoted(nameOrId)}`;
    return this.#session.write(action, async (db) => {
      const found = await selectToken(db, nameOrId);
      if (found === undefined) throw unknown(action);
      await db.deleteFrom('service_tokens').where('id', '=', found.id).execute();
      await noteChange(db, { kind: 'service-token', item: found.id });
      return toRecord(found);
    });
  }
}

function newTokenSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

async function selectToken(db: Kysely<Schema>, nameOrId: string): Promise<Row | undefined> {
  return db
    .selectFrom('service_tokens')
    .selectAll()
    .where((where) => where.or([where('name', '=', nameOrId), where('id', '=', nameOrId)]))
    .executeTakeFirst();
}

function unknown(action: string): PosternError {
  return new PosternError('STORE_NOT_FOUND', `Cannot ${action}: none has this name or id`);
}

function toRecord(row: Row): ServiceTokenRecord {
  const { previous_hash: previousHash, previous_until: until } = row;
  return {
    id: row.id,
    name: row.name,
    secretHash: row.secret_hash,
    ...(previousHash === null || until === null
      ? {}
      : { previous: { secretHash: previousHash, until } }),
    createdAt: row.created_at,
    ...(row.rotated_at === null ? {} : { rotatedAt: row.rotated_at }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
  };
}
