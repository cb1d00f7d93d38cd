/**
 * What was done to Postern and when, and the promise that says which failures each of these may cause: the table "What
 * survives what". A failure that the table does not allow, or not at that time, is a bug in Postern or in the test.
 */
import type { Failure, FailureHow, LoadKind } from './load.ts';

export type FaultKind =
  | 'gateway reload'
  | 'worker killed'
  | 'supervisor killed'
  | 'connector reload'
  | 'connector links cut'
  | 'client links cut'
  | 'connector links silent'
  | 'client links silent'
  | 'HTTP origin restarted'
  | 'session revoked';

/** One thing that was done. Times are those of `performance.now()`. */
export interface Fault {
  readonly kind: FaultKind;
  readonly from: number;
  /** When it was over: the new process ready, the dead one gone, the links mended. Infinity until then. */
  readonly to: number;
}

/** One line of the table: who may be hurt by a fault, how, and why that is honest. */
interface Allowance {
  readonly fault: FaultKind;
  readonly kinds: readonly LoadKind[];
  readonly how: readonly FailureHow[];
  /** HTTP statuses or close codes, where it is answered. */
  readonly codes?: readonly number[];
  /** Only those that never reached an origin. Default: all. */
  readonly isTurnedAway?: true;
  /** Connections begun before this moment may be hurt. Default: the end of the fault. */
  readonly begunBefore?: (fault: Fault) => number;
  /** The failures must be seen within. Default: from its beginning until shortly after its end. */
  readonly seen?: (fault: Fault, graceMs: number) => readonly [number, number];
  readonly because: string;
}

/** The loads whose streams end in the gateway. */
const ENDS_IN_GATEWAY = ['http1', 'http2', 'transfer', 'websocket', 'tcp port'] as const;
const WEB = ['http1', 'http2', 'transfer', 'websocket'] as const;
const ACCESS = ['access tcp', 'access stdio', 'access ssh'] as const;

/** How late a load may notice what happened to it, ms: two cores are shared by all processes of a test, and by other tests. */
const LATE_MS = 5_000;
/** Some learn it later: who reads slowly when the buffers are empty, an origin when nobody comes back to resume the stream. */
const NOTICE_MS: Readonly<Partial<Record<LoadKind, number>>> = {
  transfer: 20_000,
  'tcp port': 40_000,
};
/** What a connector may answer or a WebSocket end with when the origin itself went away. */
const ORIGIN_GONE = [502, 1006];
const SERVICE_RESTART = 1012;
const NO_REPLICA = 503;
/** A connector without any link has one again after so long, ms. */
const BACK_MS = 10_000;
const GRACE_ENDS = 'left over at the end of the grace period: cut, WebSockets with 1012';

const TABLE: readonly Allowance[] = [
  {
    fault: 'worker killed',
    kinds: ENDS_IN_GATEWAY,
    how: ['broken'],
    // A connection that was begun later waited for the next worker.
    because: 'the gateway process, kill -9: what ends there is lost with its socket',
  },
  ...(['connector links cut', 'connector links silent'] as const).flatMap((fault): Allowance[] => {
    const newcomer = {
      fault,
      begunBefore: () => Infinity,
      seen: ({ from, to }: Fault) => [from, to + BACK_MS] as const,
      because:
        'no connector has a link: what is new is turned away, what is open waits and resumes',
    };
    return [
      { ...newcomer, kinds: WEB, how: ['answered'], codes: [NO_REPLICA] },
      { ...newcomer, kinds: ['tcp port', ...ACCESS], how: ['broken'], isTurnedAway: true },
    ];
  }),
  ...(['gateway reload', 'supervisor killed'] as const).map((fault): Allowance => ({
    fault,
    kinds: ENDS_IN_GATEWAY,
    how: ['broken', 'answered'],
    codes: [SERVICE_RESTART],
    seen: ({ from, to }, graceMs) => [from + graceMs, to + graceMs],
    because: GRACE_ENDS,
  })),
  {
    fault: 'HTTP origin restarted',
    kinds: WEB,
    how: ['broken', 'answered'],
    codes: ORIGIN_GONE,
    begunBefore: () => Infinity,
    because: 'an endpoint died: the origin itself',
  },
  {
    fault: 'session revoked',
    kinds: ACCESS,
    how: ['broken', 'answered'],
    because: 'a session was revoked: its streams end within a second',
  },
];

export class Faults {
  readonly #graceMs: number;
  readonly #list: { kind: FaultKind; from: number; to: number }[] = [];

  /** `graceMs` is the grace period of gateway and connectors. */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  get list(): readonly Fault[] {
    return this.#list;
  }

  /** Does something to Postern and notes when. Returns the note. */
  async note(kind: FaultKind, act: () => Promise<unknown>): Promise<Fault> {
    const fault = { kind, from: performance.now(), to: Infinity };
    this.#list.push(fault);
    await act();
    fault.to = performance.now();
    return fault;
  }

  /** Why the failure had to be expected, or undefined: then it is a bug. */
  excuse(failure: Failure): string | undefined {
    for (const allowance of TABLE) {
      const fault = this.#list.find((one) => this.#explains(allowance, one, failure));
      if (fault !== undefined) return allowance.because;
    }
    return undefined;
  }

  /** The failures that nothing explains, in words, each with what had been done shortly before it. */
  complaints(failures: readonly Failure[]): string[] {
    return failures
      .filter((failure) => this.excuse(failure) === undefined)
      .map(
        ({ kind, what, how, detail, connectedAt, failedAt }) =>
          `${kind}: ${what}: ${how}: ${detail}; begun ${seconds(failedAt - connectedAt)} before, ${this.#before(failedAt)}`,
      );
  }

  /** How many failures each line of the table explains. */
  count(failures: readonly Failure[]): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const failure of failures) {
      const why = this.excuse(failure);
      if (why === undefined) continue;
      const line = `${failure.kind} ${failure.how}: ${why}`;
      counts[line] = (counts[line] ?? 0) + 1;
    }
    return counts;
  }

  #explains(allowance: Allowance, fault: Fault, failure: Failure): boolean {
    const { kinds, how, codes, begunBefore = ({ to }) => to } = allowance;
    const seen = allowance.seen ?? ((one) => [one.from, one.to]);
    const [from, to] = seen(fault, this.#graceMs);
    const lateMs = NOTICE_MS[failure.kind] ?? LATE_MS;
    return (
      fault.kind === allowance.fault &&
      kinds.includes(failure.kind) &&
      how.includes(failure.how) &&
      (failure.how !== 'answered' || (codes ?? []).includes(failure.code ?? 0)) &&
      (allowance.isTurnedAway === undefined || failure.isTurnedAway === true) &&
      failure.connectedAt <= begunBefore(fault) &&
      failure.failedAt >= from &&
      failure.failedAt <= to + lateMs
    );
  }

  /** The last things that were done before that moment. */
  #before(at: number): string {
    const last = this.#list.filter(({ from }) => from <= at).slice(-3);
    if (last.length === 0) return 'before anything was done';
    return last
      .map(({ kind, from, to }) => {
        const over = to <= at ? `over for ${seconds(at - to)}` : 'not over';
        return `${seconds(at - from)} after ${kind} began (${over})`;
      })
      .join(', ');
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
