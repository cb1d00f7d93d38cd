/**
 * The list by which processes on one database tell each other what they changed: appended to in the transaction of the
 * change, read by number. Portable, unlike a database's own notices, and cheap enough to be asked four times a second.
 */
import type { Transaction } from 'kysely';

import { LIMITS } from '../../core/limits.ts';
import type { Schema } from '../schema.ts';
import type { Change, ChangeStore } from '../store.ts';
import type { Session } from './session.ts';

export class SqlChangeStore implements ChangeStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async latest(): Promise<number> {
    const row = await this.#session.read('read changes', (db) =>
      db
        .selectFrom('changes')
        .select(({ fn }) => fn.max('seq').as('latest'))
        .executeTakeFirst(),
    );
    return row?.latest ?? 0;
  }

  async since(seq: number): Promise<{ latest: number; changes: readonly Change[] | 'missed' }> {
    const rows = await this.#session.read('read changes', (db) =>
      db.selectFrom('changes').selectAll().where('seq', '>', seq).orderBy('seq').execute(),
    );
    const first = rows[0];
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return { latest: seq, changes: [] };
    // Numbers have no gaps but the one that pruning leaves at the start.
    if (first.seq !== seq + 1) return { latest: last.seq, changes: 'missed' };
    const changes = rows.flatMap(({ kind, item }): Change | [] =>
      isKnown(kind) ? { kind, item } : [],
    );
    return { latest: last.seq, changes };
  }
}

/** Notes a change, in its own transaction. */
export async function noteChange(db: Transaction<Schema>, change: Change): Promise<void> {
  const { seq } = await db
    .insertInto('changes')
    .values(change)
    .returning('seq')
    .executeTakeFirstOrThrow();
  await db
    .deleteFrom('changes')
    .where('seq', '<=', seq - LIMITS.changes)
    .execute();
}

const KINDS: Readonly<Record<Change['kind'], true>> = {
  session: true,
  'service-token': true,
  tunnel: true,
  route: true,
};

/** A newer version beside us may note what we keep nothing of. */
function isKnown(kind: string): kind is Change['kind'] {
  return Object.hasOwn(KINDS, kind);
}
