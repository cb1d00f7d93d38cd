/**
 * Requests that were sent to a replica and are not over: where each is, by what right it goes on, and whether it was given
 * to another replica already, which happens once.
 *
 * Bounded by the requests there are: each is removed when it ends.
 */
import { PosternError } from '../../core/error.ts';
import type { Exchange } from './exchange.ts';
import type { OriginTarget } from './origin/origin-opener.ts';
import type { RequestPass } from './request-gate.ts';
import type { RequestRecord } from './record/request-record.ts';

/** A request where it is now. */
interface RunningRequest {
  readonly exchange: Pick<Exchange, 'leave'>;
  readonly pass: RequestPass;
  readonly target: Pick<OriginTarget, 'replicaId' | 'tunnelName'>;
}

interface Entry extends RunningRequest {
  readonly record: RequestRecord;
  /** It was at another replica before. */
  readonly hasMoved: boolean;
}

export class RunningRequests {
  /**
   * In no order; each record knows its place. Not a Map: what thousands of entries a second leave behind in the tables of one
   * keeps finished requests alive until they are old, and collecting those cost more than a Map does.
   */
  readonly #entries: Entry[] = [];

  /** It is at a replica, for the first time or again. */
  add(record: RequestRecord, { exchange, pass, target }: RunningRequest): void {
    const hasMoved = this.#entryOf(record) !== undefined;
    if (!hasMoved) record.runningAt = this.#entries.length;
    this.#entries[record.runningAt] = { record, exchange, pass, target, hasMoved };
  }

  /** It is over. */
  remove(record: RequestRecord): void {
    if (this.#entryOf(record) === undefined) return;
    const last = this.#entries.pop();
    if (last === undefined || last.record === record) return;
    this.#entries[record.runningAt] = last;
    last.record.runningAt = record.runningAt;
  }

  /** What let it in. */
  passOf(record: RequestRecord): RequestPass | undefined {
    return this.#entryOf(record)?.pass;
  }

  /** Where it is, if it may leave there; undefined where it has moved before. */
  leave(record: RequestRecord): RunningRequest | undefined {
    const entry = this.#entryOf(record);
    return entry?.hasMoved === true ? undefined : entry;
  }

  /**
   * Gives the requests to another replica that wait for the links of this one and may be made twice, where there is one.
   * The others stay: their streams may be resumed.
   */
  leaveReplica(replicaId: string): void {
    const message = 'Cannot wait for the connector any longer: its links are gone';
    const error = new PosternError('STREAM_LOST', message);
    for (const { exchange, target } of this.#entries.slice()) {
      if (target.replicaId === replicaId) exchange.leave(error);
    }
  }

  #entryOf(record: RequestRecord): Entry | undefined {
    const entry = this.#entries[record.runningAt];
    return entry?.record === record ? entry : undefined;
  }
}
