/**
 * The control messages of a link: JSON, each with a `type`. See docs/protocol.md §4.
 *
 * Parsing checks every field that we read, and drops the rest: unknown types and keys are allowed on the wire.
 * Everything here comes from a peer that may be hostile, so strings and lists have lengths.
 */
import { LIMITS } from '../../core/limits.ts';
import { MAX_RULE_ID, parseRules, type AnnouncedRule } from './announced-rule.ts';
import { parseGatewayKeys, type GatewayKey } from './gateway-key.ts';
import { badControl, JsonFields, optional } from './json-fields.ts';
import { MAX_PROCESS_ID, parseRegister, type RegisterMessage } from './register-message.ts';
import { STREAM_KEY } from './stream-opening.ts';
import { MAX_TIMER_MS } from './stream-request.ts';

/** The first message of either side. */
export interface HelloMessage {
  readonly type: 'hello';
  readonly versions: readonly number[];
  readonly features: readonly string[];
  /** Name and version, for listings. */
  readonly software: string;
  /** The id of this run of the program: streams resume only with the same one. */
  readonly process: string;
}

/** What `features` may name; a peer without it does not know what is meant. */
export const FEATURE = {
  /** A gateway passes on the `destination` of a client's stream, or refuses the stream. */
  destinations: 'destinations',
} as const;

/** What a gateway makes of a hostname that a connector announced. */
export type HostnameState = 'routed' | 'unrouted' | 'refused';

/** A connector's origins may be reached: the answer to its `register`. */
export interface RegisteredMessage {
  readonly type: 'registered';
  readonly tunnel: { readonly id: string; readonly name: string };
  readonly gateway: string;
  readonly hostnames: Readonly<Record<string, HostnameState>>;
  /** How long the accepter keeps its end of a stream that lost its link, ms. */
  readonly resumeMs?: number;
  /** What `assertion` is signed with. Absent: nothing is. */
  readonly keys?: readonly GatewayKey[];
}

/** Other keys from now on, instead of all that were told on this link. */
interface KeysMessage {
  readonly type: 'keys';
  readonly keys: readonly GatewayKey[];
}

/** A client may open streams: the answer to its `register`. */
export interface AdmittedMessage {
  readonly type: 'admitted';
  readonly gateway: string;
  /** Who the gateway takes the user for; absent for nobody. */
  readonly user?: string;
}

/** Streams that must not be resumed, by key: their users are no longer allowed. */
interface EndMessage {
  readonly type: 'end';
  readonly keys: readonly string[];
  /** All that were attached last by one of these. */
  readonly grants?: readonly string[];
}

interface RefusedMessage {
  readonly type: 'refused';
  readonly code: string;
  readonly message: string;
  readonly permanent: boolean;
}

interface RulesMessage {
  readonly type: 'rules';
  readonly rules: readonly AnnouncedRule[];
}

/** Which of the announced rules have an origin that is not well: all of them, each time. */
export interface HealthMessage {
  readonly type: 'health';
  /** Grows with each change: links may bring them out of order. */
  readonly revision: number;
  /** Ids of rules. */
  readonly unhealthy: readonly string[];
}

/** The routes changed: the same map as in `registered`. */
export interface HostnamesMessage {
  readonly type: 'hostnames';
  readonly hostnames: Readonly<Record<string, HostnameState>>;
}

/** The sender wants no new work, and its peer elsewhere. */
export interface DrainMessage {
  readonly type: 'drain';
  readonly reason: string;
  readonly dialAgainMs: number;
  readonly graceMs: number;
}

/** Whatever a control message can be. */
export type ControlMessage =
  | HelloMessage
  | RegisterMessage
  | RegisteredMessage
  | AdmittedMessage
  | EndMessage
  | RefusedMessage
  | RulesMessage
  | HealthMessage
  | HostnamesMessage
  | KeysMessage
  | DrainMessage;

/** Parses a control message. Undefined for a type we do not know. Throws PROTO_BAD_CONTROL. */
export function parseControl(json: Uint8Array): ControlMessage | undefined {
  const fields = JsonFields.parse(json);
  const type = fields.text('type');
  switch (type) {
    case 'hello':
      return {
        type,
        versions: fields.list('versions', 16).filter((v): v is number => typeof v === 'number'),
        features: fields.list('features', 64).filter((v): v is string => typeof v === 'string'),
        software: fields.text('software'),
        process: fields.text('process', MAX_PROCESS_ID),
      };
    case 'register':
      return parseRegister(fields);
    case 'registered':
      return {
        type,
        tunnel: parseTunnel(fields.object('tunnel')),
        gateway: fields.text('gateway'),
        hostnames: parseHostnames(fields.object('hostnames')),
        ...(fields.has('resumeMs') && { resumeMs: fields.integer('resumeMs', MAX_TIMER_MS) }),
        ...(fields.has('keys') && { keys: parseGatewayKeys(fields) }),
      };
    case 'keys':
      return { type, keys: parseGatewayKeys(fields) };
    case 'admitted':
      return {
        type,
        gateway: fields.text('gateway'),
        ...optional('user', fields.optionalText('user')),
      };
    case 'end':
      return {
        type,
        keys: parseKeys(fields, 'keys'),
        ...(fields.has('grants') && { grants: parseKeys(fields, 'grants') }),
      };
    case 'refused':
      return {
        type,
        code: fields.text('code'),
        message: fields.text('message'),
        permanent: fields.boolean('permanent'),
      };
    case 'rules':
      return { type, rules: parseRules(fields) };
    case 'health':
      return { type, revision: fields.integer('revision'), unhealthy: parseRuleIds(fields) };
    case 'hostnames':
      return { type, hostnames: parseHostnames(fields.object('hostnames')) };
    case 'drain':
      return {
        type,
        reason: fields.text('reason'),
        dialAgainMs: fields.integer('dialAgainMs'),
        graceMs: fields.integer('graceMs'),
      };
    default:
      return undefined;
  }
}

function parseTunnel(fields: JsonFields): { id: string; name: string } {
  return { id: fields.text('id', 64), name: fields.text('name', 64) };
}

function parseKeys(fields: JsonFields, name: 'keys' | 'grants'): string[] {
  return fields.list(name, LIMITS.endedKeys).map((key) => {
    if (typeof key !== 'string' || !STREAM_KEY.test(key)) throw badControl('a key is not one');
    return key;
  });
}

function parseRuleIds(fields: JsonFields): string[] {
  return fields.list('unhealthy', LIMITS.announcedRules).map((id) => {
    if (typeof id === 'string' && id.length <= MAX_RULE_ID) return id;
    throw badControl('"unhealthy" has something else than ids');
  });
}

function parseHostnames(fields: JsonFields): Record<string, HostnameState> {
  const states: Record<string, HostnameState> = Object.create(null) as Record<
    string,
    HostnameState
  >;
  for (const [hostname, state] of fields.entries().slice(0, LIMITS.announcedRules)) {
    if (state === 'routed' || state === 'unrouted' || state === 'refused') states[hostname] = state;
  }
  return states;
}
