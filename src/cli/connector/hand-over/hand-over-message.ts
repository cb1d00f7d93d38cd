/**
 * What a connector and its successor say to each other over the channel between them. docs/decisions/0022.
 *
 * The two may be of different versions, so types and fields that one does not know are ignored, and none is ever given another
 * meaning. The other side is our own program, but what it sends is checked all the same: it may be an older one.
 */

/** What the one that was there says. */
export type PredecessorMessage =
  /** The answer to `listener`: whether the socket comes with this message. */
  | { readonly type: 'listener'; readonly isThere: boolean }
  /** Lend your metrics listener, when it is for this address: a later successor wants it. */
  | { readonly type: 'lend'; readonly address: string }
  /** Another one has taken over: take nothing new, and end when what you have has ended. */
  | { readonly type: 'replaced' }
  /** Drain for the grace period, and end. */
  | { readonly type: 'drain' }
  /** End at once. */
  | { readonly type: 'stop' }
  /** You are the main process of the service now, on your own; these are the control sockets of those that still drain. */
  | { readonly type: 'main'; readonly draining: readonly string[] }
  | { readonly type: 'reloaded'; readonly outcome: ReloadOutcome }
  | { readonly type: 'not-reloaded'; readonly code: string; readonly message: string };

/** What the one that was started says. */
export type SuccessorMessage =
  /** Give me the metrics listener, when you have it for this address. */
  | { readonly type: 'listener'; readonly address: string }
  /** The answer to `lend`. */
  | { readonly type: 'lent'; readonly isThere: boolean }
  /** The first link is registered; what is missing is a matter of seconds. */
  | { readonly type: 'linked' }
  | { readonly type: 'registered'; readonly run: ConnectorRunInfo }
  /** Something that may be better in a moment. */
  | { readonly type: 'trouble'; readonly code: string; readonly message: string }
  /** Why I end without having taken over. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** I was asked to reload: that is your task. */
  | { readonly type: 'reload' }
  /** I have a successor of my own, which is the main process now. */
  | { readonly type: 'succeeded' };

/** One run of a connector. */
export interface ConnectorRunInfo {
  readonly pid: number;
  readonly replica: string;
  readonly links: number;
  readonly version: string;
}

/** What a reload came to. */
export interface ReloadOutcome {
  readonly started: ConnectorRunInfo;
  /** Process id of the one that it took over from, and which now drains. */
  readonly draining: number;
}

/** Reads what a successor said; undefined for what this version does not know. */
export function parseSuccessorMessage(value: unknown): SuccessorMessage | undefined {
  const fields = fieldsOf(value);
  const type = text(fields['type']);
  switch (type) {
    case 'listener':
      return { type, address: text(fields['address']) };
    case 'lent':
      return { type, isThere: fields['isThere'] === true };
    case 'registered':
      return { type, run: parseRun(fields['run']) };
    case 'trouble':
    case 'failed':
      return { type, code: text(fields['code']), message: text(fields['message']) };
    case 'linked':
    case 'reload':
    case 'succeeded':
      return { type };
    default:
      return undefined;
  }
}

/** Reads what a predecessor said; undefined for what this version does not know. */
export function parsePredecessorMessage(value: unknown): PredecessorMessage | undefined {
  const fields = fieldsOf(value);
  const type = text(fields['type']);
  switch (type) {
    case 'listener':
      return { type, isThere: fields['isThere'] === true };
    case 'lend':
      return { type, address: text(fields['address']) };
    case 'main':
      return { type, draining: texts(fields['draining']) };
    case 'reloaded':
      return { type, outcome: parseOutcome(fields['outcome']) };
    case 'not-reloaded':
      return { type, code: text(fields['code']), message: text(fields['message']) };
    case 'replaced':
    case 'drain':
    case 'stop':
      return { type };
    default:
      return undefined;
  }
}

/** Reads what a reload came to. */
export function parseOutcome(value: unknown): ReloadOutcome {
  const fields = fieldsOf(value);
  return { started: parseRun(fields['started']), draining: number(fields['draining']) };
}

function parseRun(value: unknown): ConnectorRunInfo {
  const fields = fieldsOf(value);
  return {
    pid: number(fields['pid']),
    replica: text(fields['replica']),
    links: number(fields['links']),
    version: text(fields['version']),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
