/**
 * The bodies of OPEN and ACCEPT, by which a stream attaches. See docs/protocol.md §5 and §6.
 *
 * Positions are checked against themselves here; whether they fit a stream is for the stream to say.
 */
import { LIMITS } from '../../core/limits.ts';
import { badControl, JsonFields, optional } from './json-fields.ts';
import { parseLife, parseRequest, type StreamRequest } from './stream-request.ts';

/** The key of a stream: 16 to 48 bytes in base64url. */
export const STREAM_KEY = /^[A-Za-z0-9_-]{22,64}$/;
/** The most that OPEN and ACCEPT may name as `relayMs`: a path that takes longer carries nothing anyway. */
export const MAX_RELAY_MS = 60_000;

/** How far an endpoint's receive side is (§5.4). */
export interface Position {
  readonly received: number;
  readonly consumed: number;
  readonly window: number;
  /** Whether `received` counts FIN. */
  readonly ended?: true;
}

/** The body of OPEN. */
export interface OpenMessage {
  readonly key: string;
  readonly epoch: number;
  readonly resume: boolean;
  readonly position: Position;
  readonly request: StreamRequest;
  /** Round trip of the links behind this one, ms, where a gateway relays the stream (§5.6). */
  readonly relayMs?: number;
}

/** What the acceptor says about the origin it connected. */
export interface AcceptInfo {
  readonly alpn?: string;
  readonly origin?: string;
  /** From a gateway that relays: the replica where the stream lives. */
  readonly replica?: string;
  /** From a gateway that relays: as in its OPEN to the acceptor. */
  readonly detachedMs?: number;
  readonly endsMs?: number;
}

/** The body of ACCEPT. */
export interface AcceptMessage {
  readonly position: Position;
  readonly info: AcceptInfo;
  /** As in OPEN. */
  readonly relayMs?: number;
}

/** Parses the body of OPEN. Throws PROTO_BAD_CONTROL. */
export function parseOpen(json: Uint8Array): OpenMessage {
  const fields = JsonFields.parse(json);
  const key = fields.text('key');
  if (!STREAM_KEY.test(key)) throw badControl('"key" is not 22 to 64 characters of base64url');
  return {
    key,
    epoch: fields.integer('epoch'),
    resume: fields.boolean('resume'),
    position: parsePosition(fields.object('position')),
    request: parseRequest(fields.object('request')),
    ...relayMsOf(fields),
  };
}

/** Parses the body of ACCEPT. Throws PROTO_BAD_CONTROL. */
export function parseAccept(json: Uint8Array): AcceptMessage {
  const fields = JsonFields.parse(json);
  const info = fields.object('info');
  return {
    position: parsePosition(fields.object('position')),
    info: {
      ...optional('alpn', info.optionalText('alpn')),
      ...optional('origin', info.optionalText('origin')),
      ...optional('replica', info.optionalText('replica')),
      ...parseLife(info),
    },
    ...relayMsOf(fields),
  };
}

function relayMsOf(fields: JsonFields): { relayMs?: number } {
  return fields.has('relayMs') ? { relayMs: fields.integer('relayMs', MAX_RELAY_MS) } : {};
}

function parsePosition(fields: JsonFields): Position {
  const position = {
    received: fields.integer('received'),
    consumed: fields.integer('consumed'),
    window: fields.integer('window'),
    ...(fields.has('ended') && fields.boolean('ended') && { ended: true as const }),
  };
  if (position.ended && position.received < 1) throw badControl('"ended" before anything');
  if (position.consumed > position.received) throw badControl('"consumed" is above "received"');
  if (position.window > LIMITS.maxWindowBytes) throw badControl('"window" is above the limit');
  return position;
}
