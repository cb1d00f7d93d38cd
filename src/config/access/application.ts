/** Applications, which are what policies protect, as the gateway's file describes them. design.md §6, §10. */
import { LIMITS } from '../../core/limits.ts';
import { parsePathPrefix } from '../canonical-path.ts';
import {
  byteSize,
  duration,
  flag,
  list,
  mapping,
  oneOf,
  parsed,
  text,
  wholeNumber,
} from '../field.ts';
import { parseHostnamePattern } from '../hostname-pattern.ts';
import { parseWebOrigin } from '../web-origin.ts';
import type { HostnamePattern } from '../hostname-pattern.ts';
import { DETACHED_RANGE, policySchema, SESSION_RANGE } from './policy.ts';
import type { Policy } from './policy.ts';
import { policyTestSchema } from './policy-test.ts';
import type { PolicyTest } from './policy-test.ts';
import { sshAccessSchema } from './ssh-access.ts';
import type { SshAccess } from './ssh-access.ts';

const STICKINESS = ['cookie', 'address'] as const;

/** How people stay at the replica that served them before. */
export type Stickiness = (typeof STICKINESS)[number];

/** What policies protect: a hostname, or a part of one. */
export interface Application {
  /** Unique; used in logs and metrics, and the audience of its tokens. */
  readonly name: string;
  readonly hostname: HostnamePattern;
  /** Paths at and below it are the application's; `/` is the whole hostname. */
  readonly path: string;
  /** How long a sign-in at this application lasts. A policy may say otherwise. */
  readonly sessionDurationMs: number;
  /** How long a stream of `access ssh` or `access tcp` may be detached. A policy may say otherwise. */
  readonly detachedTimeoutMs: number;
  /** The largest body of a request, bytes; 0 for no limit. Absent: what holds for all requests. */
  readonly maxBodyBytes?: number | undefined;
  /** Requests and WebSockets at once; 0 or absent for no limit. */
  readonly maxRequests?: number | undefined;
  /** Whether people must say why they want in. A policy may say otherwise. */
  readonly purposeJustification: boolean;
  /** Other origins whose pages may open WebSockets of it in their users' names. Absent: none. */
  readonly websocketOrigins?: readonly string[] | undefined;
  /** Absent: each request goes to the replica with the least under way. */
  readonly stickiness?: Stickiness | undefined;
  /** Absent: no SSH certificates are issued for it. */
  readonly ssh?: SshAccess | undefined;
  /** In order; the first that matches decides. None means denied. */
  readonly policies: readonly Policy[];
  readonly tests: readonly PolicyTest[];
  /** Position in the file, from 0. */
  readonly index: number;
}

/** One entry of `applications`, without its position. */
export const applicationSchema = mapping({
  name: text('a name such as wiki').max(64, { error: 'is too long; use at most 64 characters' }),
  hostname: parsed('a hostname such as wiki.example.com', parseHostnamePattern),
  path: parsed('a path such as /admin', parsePathPrefix).prefault('/'),
  'session-duration': duration(SESSION_RANGE).prefault('8h'),
  'detached-timeout': duration(DETACHED_RANGE).prefault('5m'),
  'purpose-justification': flag().default(false),
  'max-body-size': byteSize().optional(),
  'max-requests': wholeNumber(0, LIMITS.placesPerApplication).optional(),
  'websocket-origins': list(
    parsed('an origin such as https://app.example.com', parseWebOrigin),
  ).optional(),
  stickiness: oneOf(STICKINESS).optional(),
  ssh: sshAccessSchema.optional(),
  policies: list(policySchema).default([]),
  tests: list(policyTestSchema).default([]),
}).transform(
  ({
    'session-duration': sessionDurationMs,
    'detached-timeout': detachedTimeoutMs,
    'purpose-justification': purposeJustification,
    'max-body-size': maxBodyBytes,
    'max-requests': maxRequests,
    'websocket-origins': websocketOrigins,
    policies,
    ...rest
  }) => ({
    ...rest,
    sessionDurationMs,
    detachedTimeoutMs,
    purposeJustification,
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
    ...(maxRequests !== undefined && { maxRequests }),
    ...(websocketOrigins !== undefined && { websocketOrigins }),
    policies: policies.map((policy, at): Policy => ({
      ...policy,
      name: policy.name ?? `policy ${at + 1}`,
    })),
  }),
);

/** Sorts so that the first application whose hostname and path match is the most specific one. */
export function bySpecificity(a: Application, b: Application): number {
  const rank = ({ hostname }: Application): number =>
    hostname.kind === 'exact' ? Number.MAX_SAFE_INTEGER : hostname.text.length;
  return rank(b) - rank(a) || b.path.length - a.path.length;
}
