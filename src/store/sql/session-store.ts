/**
 * Sessions of signed-in people. Ended ones stay for a day, so that a listing can still say why, and then go.
 */
import type { Kysely, Selectable } from 'kysely';

import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Schema } from '../schema.ts';
import type { JsonObject, SessionRecord, SessionStore } from '../store.ts';
import { noteChange } from './change-store.ts';
import type { Seal } from './seal.ts';
import type { Session } from './session.ts';

/** How long an ended session is kept, ms. */
const KEEP_ENDED_MS = 86_400_000;

type Row = Selectable<Schema['sessions']>;

export class SqlSessionStore implements SessionStore {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #seal: Seal;

  constructor(session: Session, clock: Clock, seal: Seal) {
    this.#session = session;
    this.#clock = clock;
    this.#seal = seal;
  }

  async add(record: SessionRecord): Promise<void> {
    const action = 'keep a session';
    const row = this.#toRow(record);
    await this.#session.write(action, async (db) => {
      await this.#prune(db);
      const { count } = await db
        .selectFrom('sessions')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      if (count >= LIMITS.sessions) {
        const message = `Cannot ${action}: there are ${count} already, the limit`;
        throw new PosternError('STORE_LIMIT', message);
      }
      const added = await db
        .insertInto('sessions')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (added === undefined) {
        throw new PosternError('STORE_EXISTS', `Cannot ${action}: it is kept already`);
      }
    });
  }

  async find(id: string): Promise<SessionRecord | undefined> {
    const row = await this.#session.read('find a session', (db) =>
      db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row && this.#toRecord(row);
  }

  async findBySecretHash(hash: string): Promise<SessionRecord | undefined> {
    const row = await this.#session.read('find a session', (db) =>
      db.selectFrom('sessions').selectAll().where('secret_hash', '=', hash).executeTakeFirst(),
    );
    return row && this.#toRecord(row);
  }

  async list(): Promise<SessionRecord[]> {
    const rows = await this.#session.read('list sessions', (db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', this.#clock.wall())
        .orderBy('created_at')
        .orderBy('id')
        .execute(),
    );
    return rows.map((row) => this.#toRecord(row));
  }

  async refresh(
    id: string,
    { identity, provider }: Pick<SessionRecord, 'identity' | 'provider'>,
  ): Promise<SessionRecord | undefined> {
    const now = this.#clock.wall();
    const row = await this.#session.write('refresh a session', async (db) => {
      const changed = await db
        .updateTable('sessions')
        .set({
          identity: JSON.stringify(identity),
          sealed_provider: this.#seal.close(placeOf(id), provider),
          refreshed_at: now,
        })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .returningAll()
        .executeTakeFirst();
      if (changed !== undefined) await noteChange(db, { kind: 'session', item: id });
      return changed;
    });
    return row && this.#toRecord(row);
  }

  async revoke(id: string, because: string): Promise<boolean> {
    const now = this.#clock.wall();
    return this.#session.write('revoke a session', async (db) => {
      const revoked = await db
        .updateTable('sessions')
        .set({ revoked_at: now, revoked_because: because })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .returning('id')
        .executeTakeFirst();
      if (revoked !== undefined) await noteChange(db, { kind: 'session', item: id });
      return revoked !== undefined;
    });
  }

  async #prune(db: Kysely<Schema>): Promise<void> {
    const before = this.#clock.wall() - KEEP_ENDED_MS;
    await db
      .deleteFrom('sessions')
      .where((where) =>
        where.or([where('expires_at', '<', before), where('revoked_at', '<', before)]),
      )
      .execute();
  }

  #toRow(record: SessionRecord): Row {
    return {
      id: record.id,
      kind: record.kind,
      secret_hash: record.secretHash,
      identity: JSON.stringify(record.identity),
      created_at: record.createdAt,
      authenticated_at: record.authenticatedAt,
      refreshed_at: record.refreshedAt,
      expires_at: record.expiresAt,
      address: record.address,
      agent: record.agent,
      sealed_provider: this.#seal.close(placeOf(record.id), record.provider),
      revoked_at: record.revokedAt ?? null,
      revoked_because: record.revokedBecause ?? null,
    };
  }

  #toRecord(row: Row): SessionRecord {
    const identity: JsonObject = JSON.parse(row.identity);
    // Written by #toRow(), and the seal proves it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const provider = this.#seal.open(placeOf(row.id), row.sealed_provider) as JsonObject;
    return {
      id: row.id,
      kind: row.kind === 'client' ? 'client' : 'browser',
      secretHash: row.secret_hash,
      identity,
      createdAt: row.created_at,
      authenticatedAt: row.authenticated_at,
      refreshedAt: row.refreshed_at,
      expiresAt: row.expires_at,
      address: row.address,
      agent: row.agent,
      provider,
      ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
      ...(row.revoked_because === null ? {} : { revokedBecause: row.revoked_because }),
    };
  }
}

function placeOf(id: string): string {
  return `sessions ${id}`;
}
