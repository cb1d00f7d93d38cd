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
  /** It was at another replica before. */
  readonly hasMoved: boolean;
}

export class RunningRequests {
  readonly #entries = new Map<RequestRecord, Entry>();

  /** It is at a replica, for the first time or again. */
  add(record: RequestRecord, running: RunningRequest): void {
    const hasMoved = this.#entries.has(record);
    this.#entries.set(record, { ...running, hasMoved });
  }

  /** It is over. */
  remove(record: RequestRecord): void {
    this.#entries.delete(record);
  }

  /** What let it in. */
  passOf(record: RequestRecord): RequestPass | undefined {
    return this.#entries.get(record)?.pass;
  }

  /** Where it is, if it may leave there; undefined where it has moved before. */
  leave(record: RequestRecord): RunningRequest | undefined {
    const entry = this.#entries.get(record);
    return entry?.hasMoved === true ? undefined : entry;
  }

  /**
   * Gives the requests to another replica that wait for the links of this one and may be made twice, where there is one.
   * The others stay: their streams may be resumed.
   */
  leaveReplica(replicaId: string): void {
    const message = 'Cannot wait for the connector any longer: its links are gone';
    const error = new PosternError('STREAM_LOST', message);
    // One that leaves is put back where it was, and is not met again.
    for (const { exchange, target } of this.#entries.values()) {
      if (target.replicaId === replicaId) exchange.leave(error);
    }
  }
}
