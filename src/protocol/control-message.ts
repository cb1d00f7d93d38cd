/**
 * The JSON of the link protocol: control messages, and the bodies of OPEN and ACCEPT. See docs/protocol.md §4 and §5.
 *
 * Parsing checks every field that we read, and drops the rest: unknown types and keys are allowed on the wire.
 * Everything here comes from a peer that may be hostile, so strings and lists have lengths.
 */
import { LIMITS } from '../core/limits.ts';
import { badControl, JsonFields } from './json-fields.ts';

/** An ingress rule as a connector tells it to the gateway. `id` stands for the whole rule and is what OPEN names. */
export interface AnnouncedRule {
  readonly id: string;
  /** `''` or `*` for any, `*.example.com`, or one hostname. */
  readonly hostname: string;
  /** An RE2 pattern, found anywhere in the path. */
  readonly path?: string;
  readonly kind: 'http' | 'tcp';
  /** How the gateway should speak HTTP to the origin. */
  readonly http?: AnnouncedHttp;
  /** The connector wants `assertion` with each stream. */
  readonly access?: true;
  /** The service is that many TCP ports beside each other. Absent: one. */
  readonly ports?: number;
  /** The connector wants `destination` with each stream. */
  readonly destinations?: true;
}

export interface AnnouncedHttp {
  /** Replaces the Host header. */
  readonly hostHeader?: string;
  readonly keepAliveConnections?: number;
  readonly keepAliveTimeoutMs?: number;
  /** The origin may be spoken to in HTTP/2: what it agreed to comes with ACCEPT. */
  readonly http2?: boolean;
  /** The path for the origin: `to` for what the RE2 pattern finds first. */
  readonly rewrite?: { readonly path: string; readonly to: string };
  /** Fields that are set or removed. */
  readonly headers?: {
    readonly request?: AnnouncedChanges;
    readonly response?: AnnouncedChanges;
  };
  /** Requests have their length with them, whatever they came with. */
  readonly wholeBodies?: true;
}

/** Changes to the fields of a head. */
interface AnnouncedChanges {
  /** Names and values. */
  readonly set?: readonly (readonly [string, string])[];
  readonly remove?: readonly string[];
}

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

/** A public key of the gateway's, for `assertion`: P-256, with coordinates in base64url. */
export interface GatewayKey {
  readonly kid: string;
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** How far an endpoint's receive side is (§5.4). */
export interface Position {
  readonly received: number;
  readonly consumed: number;
  readonly window: number;
  /** Whether `received` counts FIN. */
  readonly ended?: true;
}

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

export interface AcceptMessage {
  readonly position: Position;
  readonly info: AcceptInfo;
  /** As in OPEN. */
  readonly relayMs?: number;
}

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

export interface ReplicaInfo {
  readonly hostname: string;
  readonly platform: string;
  /** ms since 1970. */
  readonly startedAt: number;
}

export type RegisterMessage = ConnectorRegisterMessage | ClientRegisterMessage;

export interface ClientRegisterMessage {
  readonly type: 'register';
  readonly role: 'client';
  /** Who the user is; absent for applications that let everyone in. */
  readonly credential?: string;
}

export interface ConnectorRegisterMessage {
  readonly type: 'register';
  readonly role: 'connector';
  readonly token: string;
  /** Index of this link among the replica's, from 0. */
  readonly link: number;
  readonly replica: ReplicaInfo;
  readonly rules: readonly AnnouncedRule[];
  /** Runs of this tunnel, by their process ids in `hello`, that are dead and will resume nothing. */
  readonly replaces?: readonly string[];
  /** The connector finishes what it has, and wants nothing new on this link: as if `drain` came right behind. */
  readonly draining?: true;
}

export type HostnameState = 'routed' | 'unrouted' | 'refused';

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

export interface HostnamesMessage {
  readonly type: 'hostnames';
  readonly hostnames: Readonly<Record<string, HostnameState>>;
}

export interface DrainMessage {
  readonly type: 'drain';
  readonly reason: string;
  readonly dialAgainMs: number;
  readonly graceMs: number;
}

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

const MAX_HOSTNAME = 253;
/** Timers of Node take no more, and neither does the configuration. */
const MAX_TIMER_MS = 24 * 24 * 3_600_000;
/** Longest id of a run of a program, characters. */
const MAX_PROCESS_ID = 64;
/** Longest id of a rule, characters. */
const MAX_RULE_ID = 64;
const MAX_PORT = 65_535;
/** A name in ASCII, or an IP address without brackets and zone. */
const HOST_PATTERN = /^[\w.:-]+$/;
/** The most that OPEN and ACCEPT may name as `relayMs`: a path that takes longer carries nothing anyway. */
export const MAX_RELAY_MS = 60_000;
/** The last millisecond that a Date can hold: listings print the times that peers tell. */
const MAX_DATE_MS = 8.64e15;
const KEY_PATTERN = /^[A-Za-z0-9_-]{22,64}$/;
/** 32 bytes. */
const COORDINATE_PATTERN = /^[A-Za-z0-9_-]{43}$/;

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

/** Parses the body of OPEN. Throws PROTO_BAD_CONTROL. */
export function parseOpen(json: Uint8Array): OpenMessage {
  const fields = JsonFields.parse(json);
  const key = fields.text('key');
  if (!KEY_PATTERN.test(key)) throw badControl('"key" is not 22 to 64 characters of base64url');
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
      ...lifeOf(info),
    },
    ...relayMsOf(fields),
  };
}

function lifeOf(fields: JsonFields): { detachedMs?: number; endsMs?: number } {
  return {
    ...(fields.has('detachedMs') && { detachedMs: fields.integer('detachedMs', MAX_TIMER_MS) }),
    ...(fields.has('endsMs') && { endsMs: fields.integer('endsMs') }),
  };
}

function relayMsOf(fields: JsonFields): { relayMs?: number } {
  return fields.has('relayMs') ? { relayMs: fields.integer('relayMs', MAX_RELAY_MS) } : {};
}

function parseRegister(fields: JsonFields): RegisterMessage {
  const role = fields.text('role');
  if (role === 'client') {
    return { type: 'register', role, ...optional('credential', fields.optionalText('credential')) };
  }
  if (role !== 'connector') throw badControl('"role" is neither "connector" nor "client"');
  return {
    type: 'register',
    role,
    token: fields.text('token'),
    link: fields.integer('link'),
    replica: parseReplica(fields.object('replica')),
    rules: parseRules(fields),
    ...(fields.has('replaces') && { replaces: parseReplaces(fields) }),
    ...(fields.has('draining') && fields.boolean('draining') && { draining: true as const }),
  };
}

function parseReplaces(fields: JsonFields): string[] {
  return fields.list('replaces', LIMITS.replacedRuns).map((id) => {
    const isId = typeof id === 'string' && id.length > 0 && id.length <= MAX_PROCESS_ID;
    if (!isId) throw badControl('"replaces" has something else than ids');
    return id;
  });
}

function parseKeys(fields: JsonFields, name: 'keys' | 'grants'): string[] {
  return fields.list(name, LIMITS.endedKeys).map((key) => {
    if (typeof key !== 'string' || !KEY_PATTERN.test(key)) throw badControl('a key is not one');
    return key;
  });
}

/** Those of other kinds are for connectors of another version. */
function parseGatewayKeys(fields: JsonFields): GatewayKey[] {
  return fields.list('keys', LIMITS.gatewayKeys).flatMap((value) => {
    const key = JsonFields.of(value, 'keys');
    if (key.text('kty') !== 'EC' || key.text('crv') !== 'P-256') return [];
    const [x, y] = [key.text('x'), key.text('y')];
    if (![x, y].every((text) => COORDINATE_PATTERN.test(text))) {
      throw badControl('a key of the gateway is not one');
    }
    return { kid: key.text('kid', 64), kty: 'EC' as const, crv: 'P-256' as const, x, y };
  });
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

function parseRequest(fields: JsonFields): StreamRequest {
  const client = fields.has('client') ? fields.object('client') : undefined;
  return {
    kind: fields.kind('kind'),
    hostname: fields.text('hostname', MAX_HOSTNAME),
    rule: fields.text('rule', MAX_RULE_ID),
    requestId: fields.text('requestId', 64),
    ...(client && {
      client: { address: client.text('address', 64), port: client.integer('port', MAX_PORT) },
    }),
    ...optional('replica', fields.optionalText('replica', 64)),
    ...optional('purpose', fields.optionalText('purpose', LIMITS.auditTextChars)),
    ...optional('owner', fields.optionalText('owner', 64)),
    ...optional('grant', fields.optionalText('grant', 64)),
    ...lifeOf(fields),
    ...(fields.has('portOffset') && { portOffset: fields.integer('portOffset', MAX_PORT) }),
    ...optional('assertion', fields.optionalText('assertion', LIMITS.streamAssertionChars)),
    ...(fields.has('heeds') && { heeds: parseHeeds(fields) }),
    ...(fields.has('destination') && {
      destination: parseDestination(fields.object('destination')),
    }),
  };
}

function parseHeeds(fields: JsonFields): string[] {
  return fields.list('heeds', LIMITS.heededWords).filter((word) => typeof word === 'string');
}

function parseDestination(fields: JsonFields): { host: string; port: number } {
  const host = fields.text('host', MAX_HOSTNAME);
  if (!HOST_PATTERN.test(host)) throw badControl('"host" is neither a name nor an address');
  return { host, port: fields.integer('port', MAX_PORT) };
}

function parseReplica(fields: JsonFields): ReplicaInfo {
  return {
    hostname: fields.text('hostname', MAX_HOSTNAME),
    platform: fields.text('platform', 64),
    startedAt: fields.integer('startedAt', MAX_DATE_MS),
  };
}

function parseTunnel(fields: JsonFields): { id: string; name: string } {
  return { id: fields.text('id', 64), name: fields.text('name', 64) };
}

function parseRules(fields: JsonFields): AnnouncedRule[] {
  return fields.list('rules', LIMITS.announcedRules).map((value) => {
    const rule = JsonFields.of(value, 'rules');
    const http = rule.has('http') ? rule.object('http') : undefined;
    return {
      id: rule.text('id', MAX_RULE_ID),
      hostname: rule.text('hostname', MAX_HOSTNAME),
      ...optional('path', rule.optionalText('path')),
      kind: rule.kind('kind'),
      ...(http && { http: parseHttp(http) }),
      ...(rule.has('access') && rule.boolean('access') && { access: true as const }),
      ...(rule.has('ports') && { ports: rule.integer('ports', MAX_PORT) }),
      ...(rule.has('destinations') &&
        rule.boolean('destinations') && { destinations: true as const }),
    };
  });
}

function parseRuleIds(fields: JsonFields): string[] {
  return fields.list('unhealthy', LIMITS.announcedRules).map((id) => {
    if (typeof id === 'string' && id.length <= MAX_RULE_ID) return id;
    throw badControl('"unhealthy" has something else than ids');
  });
}

function parseHttp(fields: JsonFields): AnnouncedHttp {
  return {
    ...optional('hostHeader', fields.optionalText('hostHeader')),
    ...optional('keepAliveConnections', fields.optionalInteger('keepAliveConnections')),
    ...optional('keepAliveTimeoutMs', fields.optionalInteger('keepAliveTimeoutMs')),
    ...(fields.has('http2') && { http2: fields.boolean('http2') }),
    ...(fields.has('rewrite') && { rewrite: parseRewrite(fields.object('rewrite')) }),
    ...(fields.has('headers') && { headers: parseHeaders(fields.object('headers')) }),
    ...(fields.has('wholeBodies') &&
      fields.boolean('wholeBodies') && { wholeBodies: true as const }),
  };
}

function parseRewrite(fields: JsonFields): NonNullable<AnnouncedHttp['rewrite']> {
  return { path: fields.text('path'), to: fields.text('to') };
}

function parseHeaders(fields: JsonFields): NonNullable<AnnouncedHttp['headers']> {
  return {
    ...(fields.has('request') && { request: parseChanges(fields.object('request')) }),
    ...(fields.has('response') && { response: parseChanges(fields.object('response')) }),
  };
}

function parseChanges(fields: JsonFields): AnnouncedChanges {
  const { changedFields } = LIMITS;
  return {
    ...(fields.has('set') && { set: fields.list('set', changedFields).map(parsePair) }),
    ...(fields.has('remove') && { remove: fields.list('remove', changedFields).map(parseName) }),
  };
}

function parsePair(value: unknown): [string, string] {
  const [name, text, ...rest] = Array.isArray(value) ? (value as unknown[]) : [];
  if (typeof name === 'string' && typeof text === 'string' && rest.length === 0) {
    return [name, text];
  }
  throw badControl('"set" has something else than a name and a value');
}

function parseName(value: unknown): string {
  if (typeof value === 'string') return value;
  throw badControl('"remove" has something else than names');
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

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
