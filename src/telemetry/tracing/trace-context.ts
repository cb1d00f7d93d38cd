/**
 * W3C Trace Context: `traceparent` and `tracestate`. https://www.w3.org/TR/trace-context/
 *
 * Pure. What comes from a user is taken over only where it is exactly what the recommendation describes, and never makes a span
 * by itself: who is sampled is decided here, by the id of the trace, so that everything that takes part decides the same.
 */
import { randomBytes } from 'node:crypto';

/** Longest `tracestate` that is passed on, characters. §3.3.1.5 asks for at least 512. */
const MAX_STATE_CHARS = 512;
/** Most members of it. §3.3.1.1 */
const MAX_STATE_MEMBERS = 32;

/** version 00 exactly, or a later one with more behind it; ids of zeros alone are none. §3.2.2 */
const TRACEPARENT =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?!0{32})(?<traceId>[0-9a-f]{32})-(?!0{16})(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<rest>-.*)?$/;
const STATE_MEMBER =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\u0020-\u002b\u002d-\u003c\u003e-\u007e]{0,255}[\u0021-\u002b\u002d-\u003c\u003e-\u007e]$/;
const SAMPLED = 0x01;

/** What a request says of the trace that it belongs to. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Reads `traceparent`; undefined where there is none that could be taken over. */
export function parseTraceparent(text: string | undefined): TraceParent | undefined {
  if (text === undefined || text.length > MAX_STATE_CHARS) return undefined;
  const { version, traceId, spanId, flags, rest } = TRACEPARENT.exec(text.trim())?.groups ?? {};
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** `tracestate` as it may be passed on, empty members left out; undefined for what is not one, or too much. §3.3 */
export function checkTracestate(text: string | undefined): string | undefined {
  if (text === undefined || text.length > MAX_STATE_CHARS) return undefined;
  const members = text
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  const isGood = members.every((member) => STATE_MEMBER.test(member));
  const names = new Set(members.map((member) => member.slice(0, member.indexOf('='))));
  const isBounded = members.length <= MAX_STATE_MEMBERS && names.size === members.length;
  return isGood && isBounded && members.length > 0 ? members.join(',') : undefined;
}

/** The field as it is sent, version 00. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** Whether a trace is one of the share that is sampled: 0 none, 1 all. Everybody who asks about the same trace gets the same. */
export function isInShare(traceId: string, share: number): boolean {
  // 48 bits of what is random in it, the most that a number holds whole and simply.
  return Number.parseInt(traceId.slice(-12), 16) < share * 2 ** 48;
}

/** Random bytes, drawn for many requests at a time. */
let pool = Buffer.alloc(0);
let poolUsed = 0;

/** A new id of a trace. */
export function newTraceId(): string {
  return newHex(16);
}

/** A new id of a span. */
export function newSpanId(): string {
  return newHex(8);
}

function newHex(bytes: number): string {
  if (poolUsed + bytes > pool.length) {
    pool = randomBytes(4096);
    poolUsed = 0;
  }
  poolUsed += bytes;
  return pool.toString('hex', poolUsed - bytes, poolUsed);
}
