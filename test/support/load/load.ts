/**
 * What every kind of load is: users who never stop, who are told to stop once, and who then say what became of each thing
 * they did. A load never judges a failure; `Faults` does, by what was done to Postern at that time.
 */

/** A kind of load, by the way its bytes take. */
export type LoadKind =
  | 'http1'
  | 'http2'
  | 'transfer'
  | 'websocket'
  | 'tcp port'
  | 'access tcp'
  | 'access stdio'
  | 'access ssh';

/** In what way something failed. */
export type FailureHow =
  /** The connection was reset, or ended before all had come. */
  | 'broken'
  /** Nobody listened. */
  | 'refused'
  /** It was answered, and not as it should have been: a status of HTTP, an exit status, a close code. */
  | 'answered'
  /** A byte came that was not sent, or not there, or not now. */
  | 'wrong'
  /** Nothing came for so long that nobody would wait. */
  | 'hung';

/** One thing that went wrong. Times are those of `performance.now()`. */
export interface Failure {
  readonly kind: LoadKind;
  /** What was being done, in words. */
  readonly what: string;
  readonly how: FailureHow;
  /** Whatever helps to find the cause: code, status, positions, request id. */
  readonly detail: string;
  /** HTTP status or close code of what was `answered`. */
  readonly code?: number | undefined;
  /** Whether it never got as far as the origin: nobody has lost what they had. */
  readonly isTurnedAway?: boolean;
  /** When the connection that it ran on was begun. */
  readonly connectedAt: number;
  readonly failedAt: number;
}

export interface LoadReport {
  readonly kind: LoadKind;
  /** Requests, messages or streams that went as they should. */
  readonly done: number;
  /** Bytes that arrived at either end, each compared with what was sent. */
  readonly bytes: number;
  /** What was counted beside failures: new connections after a hint to make one, for example. */
  readonly counts: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
}

export interface Load {
  readonly kind: LoadKind;
  /** One number for each user, which grows whenever something arrives. The order never changes. */
  readonly moves: readonly number[];
  /** How it went so far. */
  readonly report: LoadReport;
  /** The longest time in which one user saw nothing arrive since this was asked last, ms; the pace is in it. */
  takeLongestPause(): number;
  /** Begins nothing more, and resolves when what is under way has ended: by itself, or hung. Safe to call twice. */
  stop(): Promise<void>;
}
