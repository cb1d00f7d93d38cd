/**
 * Values that are used once. Taking one is a deletion that returns it, so of several takers, in any process, one gets
 * it. Who has the database finds hashes and ciphertext.
 */
import type { Transaction } from 'kysely';

import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Schema } from '../schema.ts';
import type { JsonObject, OnceKind, OnceStore } from '../store.ts';
import type { Seal } from './seal.ts';
import { secretHash } from '../../core/secret-hash.ts';
import type { Session } from './session.ts';

export class SqlOnceStore implements OnceStore {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #seal: Seal;

  constructor(session: Session, clock: Clock, seal: Seal) {
    this.#session = session;
    this.#clock = clock;
    this.#seal = seal;
  }

  async put(kind: OnceKind, id: string, value: JsonObject, expiresAt: number): Promise<void> {
    const idHash = secretHash(id);
    const sealedValue = this.#seal.close(placeOf(kind, idHash), value);
    await this.#session.write('keep a single-use value', async (db) => {
      await this.#makeRoom(db, kind);
      const content = { sealed_value: sealedValue, expires_at: expiresAt };
      await db
        .insertInto('once_items')
        .values({ kind, id_hash: idHash, ...content })
        .onConflict((conflict) => conflict.columns(['kind', 'id_hash']).doUpdateSet(content))
        .execute();
    });
  }

  async take(kind: OnceKind, id: string): Promise<JsonObject | undefined> {
    const idHash = secretHash(id);
    const row = await this.#session.write('take a single-use value', (db) =>
      db
        .deleteFrom('once_items')
        .where('kind', '=', kind)
        .where('id_hash', '=', idHash)
        .where('sealed_value', 'is not', null)
        .returningAll()
        .executeTakeFirst(),
    );
    if (row === undefined || row.sealed_value === null) return undefined;
    if (row.expires_at <= this.#clock.wall()) return undefined;
    // Written by put(), and the seal proves it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return this.#seal.open(placeOf(kind, idHash), row.sealed_value) as JsonObject;
  }

  async claim(kind: OnceKind, id: string, expiresAt: number): Promise<boolean> {
    const row = await this.#session.write('claim a single-use id', async (db) => {
      await this.#makeRoom(db, kind);
      return db
        .insertInto('once_items')
        .values({ kind, id_hash: secretHash(id), sealed_value: null, expires_at: expiresAt })
        .onConflict((conflict) => conflict.doNothing())
        .returning('kind')
        .executeTakeFirst();
    });
    return row !== undefined;
  }

  async #makeRoom(db: Transaction<Schema>, kind: OnceKind): Promise<void> {
    await db
      .deleteFrom('once_items')
      .where('kind', '=', kind)
      .where('expires_at', '<=', this.#clock.wall())
      .execute();
    const { count } = await db
      .selectFrom('once_items')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('kind', '=', kind)
      .executeTakeFirstOrThrow();
    if (count < LIMITS.onceItems) return;
    const message = `Cannot keep a single-use value: ${count} of kind "${kind}" are alive, the limit`;
    throw new PosternError('STORE_LIMIT', message);
  }
}

function placeOf(kind: OnceKind, idHash: string): string {
  return `once_items ${kind} ${idHash}`;
}
