/** Private keys of the gateway, encrypted at rest. When which one signs is decided in access. */
import { PosternError } from '../../core/error.ts';
import type { JsonObject, KeyRecord, KeyStore } from '../store.ts';
import type { Seal } from './seal.ts';
import type { Session } from './session.ts';

export class SqlKeyStore implements KeyStore {
  readonly #session: Session;
  readonly #seal: Seal;

  constructor(session: Session, seal: Seal) {
    this.#session = session;
    this.#seal = seal;
  }

  async list(use: string): Promise<KeyRecord[]> {
    const rows = await this.#session.read('list keys', (db) =>
      db
        .selectFrom('signing_keys')
        .selectAll()
        .where('use', '=', use)
        .orderBy('created_at')
        .orderBy('id')
        .execute(),
    );
    return rows.map((row) => ({
      id: row.id,
      use: row.use,
      // Written by add(), and the seal proves it.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      privateJwk: this.#seal.open(placeOf(row), row.sealed_key) as JsonObject,
      createdAt: row.created_at,
      activeFrom: row.active_from,
      ...(row.retire_at === null ? {} : { retireAt: row.retire_at }),
    }));
  }

  async add(record: KeyRecord): Promise<void> {
    const { id, use, privateJwk, createdAt, activeFrom, retireAt } = record;
    const added = await this.#session.write('keep a key', (db) =>
      db
        .insertInto('signing_keys')
        .values({
          id,
          use,
          sealed_key: this.#seal.close(placeOf(record), privateJwk),
          created_at: createdAt,
          active_from: activeFrom,
          retire_at: retireAt ?? null,
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst(),
    );
    if (added === undefined) {
      throw new PosternError('STORE_EXISTS', 'Cannot keep a key: one with its id is kept already');
    }
  }

  async remove(id: string): Promise<void> {
    await this.#session.write('remove a key', (db) =>
      db.deleteFrom('signing_keys').where('id', '=', id).execute(),
    );
  }
}

function placeOf({ id, use }: { readonly id: string; readonly use: string }): string {
  return `signing_keys ${use} ${id}`;
}
