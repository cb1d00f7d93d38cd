/** Finding a tunnel by what people type: its name or its id. The two never overlap (core/tunnel-name.ts). */
import type { Kysely, Selectable } from 'kysely';

import { PosternError } from '../../core/error.ts';
import type { Schema } from '../schema.ts';

/** The row of a tunnel; undefined when there is none. */
export function selectTunnel(
  db: Kysely<Schema>,
  nameOrId: string,
): Promise<Selectable<Schema['tunnels']> | undefined> {
  return db
    .selectFrom('tunnels')
    .selectAll()
    .where((where) => where.or([where('name', '=', nameOrId), where('id', '=', nameOrId)]))
    .executeTakeFirst();
}

/** The STORE_NOT_FOUND of an operation on a tunnel. */
export function unknownTunnel(action: string): PosternError {
  return new PosternError('STORE_NOT_FOUND', `Cannot ${action}: no tunnel has this name or id`);
}
