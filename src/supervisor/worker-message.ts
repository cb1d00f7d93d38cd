/**
 * What a supervisor and a worker tell each other over the channel between parent and child, as JSON. docs/decisions/0020.
 *
 * A worker may be newer than its supervisor, which runs the code of the day it was started: what is unknown is ignored on
 * both sides, and MESSAGE_VERSION is raised only where that is not enough. Sockets travel beside an `answer`.
 */

import type { LogOptions } from '../telemetry/log.ts';

/** The version of these messages. A worker refuses to work for a supervisor that speaks an older one. */
export const MESSAGE_VERSION = 1;

/** Calls that a worker makes on behalf of an administrator. */
export type SupervisorCall = 'reload' | 'roll-back' | 'drain' | 'status';

/** Where a socket is bound: an address, or the path of a Unix socket. */
export type SocketPlace =
  { readonly host: string; readonly port: number } | { readonly path: string };

/** What went wrong, for whoever asked. */
export interface MessageError {
  readonly code: string;
  readonly message: string;
}

/** The result of a call, by the number that its caller gave it. */
interface Answer {
  readonly type: 'answer';
  readonly id: number;
  readonly result?: unknown;
  readonly error?: MessageError;
}

/** What a worker needs to begin. */
export interface Welcome {
  readonly type: 'welcome';
  readonly version: number;
  readonly generation: number;
  /** Whether another worker of this supervisor went before it: the admin socket is ours, whoever answers there. */
  readonly isSuccessor: boolean;
  /** 48 bytes in base64 that session tickets of TLS are sealed with. */
  readonly ticketKeys: string;
  /** Text of a configuration that worked, to be used instead of the file, which did not. */
  readonly configText?: string;
}

/** What is logged, and how. */
export type LogSettings = Required<Pick<LogOptions, 'level' | 'format'>>;

/** What a worker says once it does its work. */
export interface Ready {
  readonly type: 'ready';
  /** Of the program. */
  readonly version: string;
  /** What the supervisor logs, and how. */
  readonly log: LogSettings;
  readonly configText: string;
}

export type WorkerMessage =
  | { readonly type: 'hello' }
  /** Asks for a listening socket; it comes with the answer. `isForOperators`: it answers until the very end. */
  | {
      readonly type: 'socket';
      readonly id: number;
      readonly name: string;
      readonly place: SocketPlace;
      readonly isForOperators: boolean;
    }
  | Ready
  /** Another configuration is in force now. */
  | { readonly type: 'config'; readonly configText: string }
  | ({ readonly type: 'failed' } & MessageError)
  /** The event loop turns. */
  | { readonly type: 'beat' }
  /** The drain was taken back; it listens again. */
  | { readonly type: 'resumed' }
  /** The drain is over; it waits for `end`. */
  | { readonly type: 'drained'; readonly cut: number }
  /** `ownReason`: no administrator asked; only the worker that serves may. */
  | {
      readonly type: 'call';
      readonly id: number;
      readonly call: SupervisorCall;
      readonly ownReason?: string;
    }
  | Answer;

export type SupervisorMessage =
  | Welcome
  /** It is the one that answers administrators now. */
  | { readonly type: 'active' }
  | { readonly type: 'drain'; readonly reason: string; readonly hasSuccessor: boolean }
  | { readonly type: 'resume' }
  /** Its work is over: let go of everything and exit. */
  | { readonly type: 'end' }
  /** Asks what it does now. */
  | { readonly type: 'call'; readonly id: number; readonly call: 'status' }
  | Answer;
