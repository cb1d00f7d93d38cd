/**
 * Audit events, kept in the order they were appended.
 *
 * A commit waits for the disk, and the process waits with it. So events are committed in groups: the first one at
 * once, and those that arrive soon after it together. The queue and the table are bounded.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { Insertable, Kysely, Selectable } from 'kysely';

import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { cutAuditEvent } from '../../telemetry/audit-event.ts';
import type { AuditDetail, AuditEvent } from '../../telemetry/audit-event.ts';
import type { Schema } from '../schema.ts';
import type { AuditQuery, AuditStore } from '../store.ts';
import type { Session } from './session.ts';

/** The least time between the beginnings of two commits, ms: at 5 ms each they cost a tenth of the process. */
const COMMIT_INTERVAL_MS = 50;
/** Events in one commit: about 10 ms of work, and far below SQLite's 32,766 parameters. */
const COMMIT_EVENTS = 500;

interface PendingEvent {
  readonly row: Insertable<Schema['audit_events']>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SqlAuditStore implements AuditStore {
  readonly #session: Session;
  readonly #pending: PendingEvent[] = [];
  /** Ends the pause before a commit. */
  readonly #hurry = new AbortController();
  #committing: Promise<void> | undefined;
  #lastCommitAt = -Infinity;

  constructor(session: Session) {
    this.#session = session;
  }

  async append(event: AuditEvent): Promise<void> {
    if (this.#pending.length >= LIMITS.auditPending) {
      const message = `Cannot append an audit event: ${this.#pending.length} wait to be written`;
      throw new PosternError('STORE_BUSY', message);
    }
    const row = toRow(cutAuditEvent(event));
    return new Promise((resolve, reject) => {
      this.#pending.push({ row, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async list({ limit, before }: AuditQuery): Promise<AuditEvent[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.auditListed) {
      const message = `Cannot list ${limit} audit events: the limit is 1 to ${LIMITS.auditListed}`;
      throw new PosternError('ADMIN_BAD_REQUEST', message);
    }
    const rows = await this.#session.read('list audit events', (db) => {
      const newest = db.selectFrom('audit_events').selectAll().orderBy('seq', 'desc').limit(limit);
      if (before === undefined) return newest.execute();
      const cursor = db.selectFrom('audit_events').select('seq').where('id', '=', before);
      return newest.where('seq', '<', cursor).execute();
    });
    return rows.map(toEvent);
  }

  async prune(before: number): Promise<number> {
    const { numDeletedRows } = await this.#session.write('prune audit events', (db) =>
      db.deleteFrom('audit_events').where('at', '<', before).executeTakeFirstOrThrow(),
    );
    return Number(numDeletedRows);
  }

  /** Writes what waits, without further pauses. For closing. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    while (this.#committing !== undefined) await this.#committing;
  }

  async #commitAll(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.#pause();
      this.#lastCommitAt = performance.now();
      const batch = this.#pending.splice(0, COMMIT_EVENTS);
      try {
        await this.#session.write('append audit events', (db) => insert(db, batch));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    // Here and not in a `finally()`: an append in between would find a commit that takes no more events.
    this.#committing = undefined;
  }

  async #pause(): Promise<void> {
    // A full batch gains nothing by waiting, but sockets get their turn before it.
    const isFull = this.#pending.length >= COMMIT_EVENTS;
    const idleMs = performance.now() - this.#lastCommitAt;
    const pauseMs = isFull ? 0 : COMMIT_INTERVAL_MS - idleMs;
    if (pauseMs < 0) return;
    await delay(pauseMs, undefined, { signal: this.#hurry.signal }).catch(() => undefined);
  }
}

async function insert(db: Kysely<Schema>, batch: readonly PendingEvent[]): Promise<void> {
  const inserted = await db
    .insertInto('audit_events')
    .values(batch.map(({ row }) => row))
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('seq')
    .execute();
  const last = Math.max(0, ...inserted.map(({ seq }) => seq));
  const first = last - inserted.length;
  // Whoever passes a multiple of the interval prunes, so that short-lived processes take their turn too.
  const every = LIMITS.auditPruneEvery;
  if (Math.floor(last / every) === Math.floor(first / every)) return;
  await db
    .deleteFrom('audit_events')
    .where('seq', '<=', last - LIMITS.auditEvents)
    .execute();
}

function toRow(event: AuditEvent): Insertable<Schema['audit_events']> {
  const { id, at, type, tunnel, hostname, actor, detail } = event;
  return {
    id,
    at,
    type,
    tunnel: tunnel ?? null,
    hostname: hostname ?? null,
    actor: actor ?? null,
    detail: detail === undefined ? null : JSON.stringify(detail),
  };
}

function toEvent(row: Selectable<Schema['audit_events']>): AuditEvent {
  const { id, at, type, tunnel, hostname, actor } = row;
  const detail: AuditDetail | null = row.detail === null ? null : JSON.parse(row.detail);
  return {
    id,
    at,
    type,
    ...(tunnel === null ? {} : { tunnel }),
    ...(hostname === null ? {} : { hostname }),
    ...(actor === null ? {} : { actor }),
    ...(detail === null ? {} : { detail }),
  };
}
