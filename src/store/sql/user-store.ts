/** Local users. Names and passwords are checked in access; here they are rows. */
import type { Selectable } from 'kysely';

import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Schema } from '../schema.ts';
import type { UserRecord, UserStore } from '../store.ts';
import { quoted } from './quoted.ts';
import type { Seal } from './seal.ts';
import type { Session } from './session.ts';

type Row = Selectable<Schema['users']>;

export class SqlUserStore implements UserStore {
  readonly #session: Session;
  readonly #seal: Seal;

  constructor(session: Session, seal: Seal) {
    this.#session = session;
    this.#seal = seal;
  }

  async add(user: UserRecord): Promise<void> {
    const action = `add user ${quoted(user.name)}`;
    await this.#session.write(action, async (db) => {
      const { count } = await db
        .selectFrom('users')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      if (count >= LIMITS.users) {
        throw new PosternError('STORE_LIMIT', `Cannot ${action}: there are ${count}, the limit`);
      }
      const added = await db
        .insertInto('users')
        .values(this.#toRow(user))
        .onConflict((conflict) => conflict.doNothing())
        .returning('name')
        .executeTakeFirst();
      if (added === undefined) {
        throw new PosternError('STORE_EXISTS', `Cannot ${action}: the name is taken`);
      }
    });
  }

  async find(name: string): Promise<UserRecord | undefined> {
    const row = await this.#session.read('find a user', (db) =>
      db.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst(),
    );
    return row && this.#toUser(row);
  }

  async list(): Promise<UserRecord[]> {
    const rows = await this.#session.read('list users', (db) =>
      db.selectFrom('users').selectAll().orderBy('name').execute(),
    );
    return rows.map((row) => this.#toUser(row));
  }

  async update(user: UserRecord): Promise<void> {
    const action = `change user ${quoted(user.name)}`;
    // A code that somebody uses meanwhile must stay used.
    const { totp_last_step: _, ...row } = this.#toRow(user);
    const changed = await this.#session.write(action, (db) =>
      db
        .updateTable('users')
        .set(row)
        .where('name', '=', user.name)
        .returning('name')
        .executeTakeFirst(),
    );
    if (changed === undefined) throw unknown(action);
  }

  async remove(name: string): Promise<void> {
    const action = `remove user ${quoted(name)}`;
    const removed = await this.#session.write(action, (db) =>
      db.deleteFrom('users').where('name', '=', name).returning('name').executeTakeFirst(),
    );
    if (removed === undefined) throw unknown(action);
  }

  async claimTotpStep(name: string, step: number): Promise<boolean> {
    const claimed = await this.#session.write('use a one-time code', (db) =>
      db
        .updateTable('users')
        .set({ totp_last_step: step })
        .where('name', '=', name)
        .where((where) =>
          where.or([where('totp_last_step', 'is', null), where('totp_last_step', '<', step)]),
        )
        .returning('name')
        .executeTakeFirst(),
    );
    return claimed !== undefined;
  }

  #toRow(user: UserRecord): Row {
    const { name, totpSecret } = user;
    return {
      name,
      password_hash: user.passwordHash,
      sealed_totp: totpSecret === undefined ? null : this.#seal.close(placeOf(name), totpSecret),
      totp_last_step: user.totpLastStep ?? null,
      email: user.email ?? null,
      groups: JSON.stringify(user.groups),
      disabled: user.disabled ? 1 : 0,
      created_at: user.createdAt,
    };
  }

  #toUser(row: Row): UserRecord {
    const { name, sealed_totp: sealed, totp_last_step: step, email } = row;
    const groups: string[] = JSON.parse(row.groups);
    return {
      name,
      passwordHash: row.password_hash,
      ...(sealed === null ? {} : { totpSecret: String(this.#seal.open(placeOf(name), sealed)) }),
      ...(step === null ? {} : { totpLastStep: step }),
      ...(email === null ? {} : { email }),
      groups,
      disabled: row.disabled !== 0,
      createdAt: row.created_at,
    };
  }
}

function placeOf(name: string): string {
  return `users ${name}`;
}

function unknown(action: string): PosternError {
  return new PosternError('STORE_NOT_FOUND', `Cannot ${action}: no user has this name`);
}
