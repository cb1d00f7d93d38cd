/**
 * What a stream should reach, and for whom: the `request` of OPEN. See docs/protocol.md §5.1.
 *
 * Every attach carries the whole of it again, so that a gateway can judge each anew.
 */
import { LIMITS } from '../../core/limits.ts';
import { MAX_RULE_ID } from './announced-rule.ts';
import { badControl, optional, type JsonFields } from './json-fields.ts';

/** Timers of Node take no more, and neither does the configuration. */
export const MAX_TIMER_MS = 24 * 24 * 3_600_000;
const MAX_PORT = 65_535;
/** A name in ASCII, or an IP address without brackets and zone. */
const HOST_PATTERN = /^[\w.:-]+$/;

/** What a stream should reach. */
export interface StreamRequest {
  readonly kind: 'http' | 'tcp';
  readonly hostname: string;
  /** Id of the announced rule. */
  readonly rule: string;
  readonly requestId: string;
  /** Who is at the other end, for logs and the PROXY protocol. */
  readonly client?: { readonly address: string; readonly port: number };
  /** A client's stream: the replica it lives at, once ACCEPT has told. A gateway looks for no other. */
  readonly replica?: string;
  /** A client's stream: why its user wants it, for the gateway alone. */
  readonly purpose?: string;
  /** A client's stream, from the gateway: whose it is. Nobody else may resume it, with the key or without. */
  readonly owner?: string;
  /** A client's stream, from the gateway: stands for the session or token by which it was attached; `end` may name it. */
  readonly grant?: string;
  /** A client's stream: how long the endpoints keep it while it is detached, ms. */
  readonly detachedMs?: number;
  /** A client's stream: how long its user may have it at most, ms. Nobody keeps it detached beyond that. */
  readonly endsMs?: number;
  /** From the gateway: which port of a rule with several, from 0. Absent: the first. */
  readonly portOffset?: number;
  /** From the gateway, where the rule wants it: a JWT that says by what right the stream is opened (§12). */
  readonly assertion?: string;
  /** From the gateway: what of the rule's `http` it does on this stream. */
  readonly heeds?: readonly string[];
  /** What the user of a client wants to reach, where the rule leaves that to them. */
  readonly destination?: { readonly host: string; readonly port: number };
}

/** Reads `request`. Throws PROTO_BAD_CONTROL. */
export function parseRequest(fields: JsonFields): StreamRequest {
  const client = fields.has('client') ? fields.object('client') : undefined;
  return {
    kind: fields.kind('kind'),
    hostname: fields.text('hostname', LIMITS.hostnameChars),
    rule: fields.text('rule', MAX_RULE_ID),
    requestId: fields.text('requestId', 64),
    ...(client && {
      client: { address: client.text('address', 64), port: client.integer('port', MAX_PORT) },
    }),
    ...optional('replica', fields.optionalText('replica', 64)),
    ...optional('purpose', fields.optionalText('purpose', LIMITS.auditTextChars)),
    ...optional('owner', fields.optionalText('owner', 64)),
    ...optional('grant', fields.optionalText('grant', 64)),
    ...parseLife(fields),
    ...(fields.has('portOffset') && { portOffset: fields.integer('portOffset', MAX_PORT) }),
    ...optional('assertion', fields.optionalText('assertion', LIMITS.streamAssertionChars)),
    ...(fields.has('heeds') && { heeds: parseHeeds(fields) }),
    ...(fields.has('destination') && {
      destination: parseDestination(fields.object('destination')),
    }),
  };
}

/** How long a stream may live without links, as OPEN and ACCEPT tell it. Throws PROTO_BAD_CONTROL. */
export function parseLife(fields: JsonFields): { detachedMs?: number; endsMs?: number } {
  return {
    ...(fields.has('detachedMs') && { detachedMs: fields.integer('detachedMs', MAX_TIMER_MS) }),
    ...(fields.has('endsMs') && { endsMs: fields.integer('endsMs') }),
  };
}

function parseHeeds(fields: JsonFields): string[] {
  return fields.list('heeds', LIMITS.heededWords).filter((word) => typeof word === 'string');
}

function parseDestination(fields: JsonFields): { host: string; port: number } {
  const host = fields.text('host', LIMITS.hostnameChars);
  if (!HOST_PATTERN.test(host)) throw badControl('"host" is neither a name nor an address');
  return { host, port: fields.integer('port', MAX_PORT) };
}
