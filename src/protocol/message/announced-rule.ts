/**
 * Ingress rules as a connector tells them to the gateway, in `register` and `rules`. See docs/protocol.md §4.
 *
 * The gateway routes and speaks HTTP by what is here; where a rule leads is never told. Unknown keys are dropped.
 */
import { LIMITS } from '../../core/limits.ts';
import { badControl, JsonFields, optional } from './json-fields.ts';

/** Longest id of a rule, characters. */
export const MAX_RULE_ID = 64;
/** The most ports that a service may have. */
const MAX_PORTS = 65_535;

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

/** How a gateway speaks HTTP to the origin of a rule. */
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

/** The `rules` of a message. Throws PROTO_BAD_CONTROL. */
export function parseRules(fields: JsonFields): AnnouncedRule[] {
  return fields.list('rules', LIMITS.announcedRules).map((value) => {
    const rule = JsonFields.of(value, 'rules');
    const http = rule.has('http') ? rule.object('http') : undefined;
    return {
      id: rule.text('id', MAX_RULE_ID),
      hostname: rule.text('hostname', LIMITS.hostnameChars),
      ...optional('path', rule.optionalText('path')),
      kind: rule.kind('kind'),
      ...(http && { http: parseHttp(http) }),
      ...(rule.has('access') && rule.boolean('access') && { access: true as const }),
      ...(rule.has('ports') && { ports: rule.integer('ports', MAX_PORTS) }),
      ...(rule.has('destinations') &&
        rule.boolean('destinations') && { destinations: true as const }),
    };
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
