/**
 * Applications, their policies, and the identity providers that sign users in, as the gateway's file describes them.
 *
 * This module only reads them. Sign-in comes with a later version: until then a policy other than `bypass` for
 * everyone opens nothing, and that is decided by the gateway, never here. design.md §6, §10.
 */
import { z } from 'zod';
import { PosternError } from '../core/error.ts';
import { duration, expected, list, mapping, oneOf, parsed, show, text } from './field.ts';
import { parseHostnamePattern } from './hostname-pattern.ts';
import type { HostnamePattern } from './hostname-pattern.ts';

const POLICY_ACTIONS = ['allow', 'deny', 'bypass', 'service-auth'] as const;

/** What a policy does with whom it matches. */
type PolicyAction = (typeof POLICY_ACTIONS)[number];

/** One condition of a policy. */
export type Selector =
  | { readonly kind: 'everyone' }
  | { readonly kind: (typeof SELECTOR_KEYS)[number]; readonly value: string };

/** One policy: it matches when any of `include`, all of `require` and none of `exclude` hold. */
export interface Policy {
  readonly action: PolicyAction;
  readonly include: readonly Selector[];
  readonly require: readonly Selector[];
  readonly exclude: readonly Selector[];
}

/** A case that the policies of an application must decide as it says. Read, not run, in this version. */
interface PolicyTest {
  readonly identity: {
    readonly email?: string | undefined;
    readonly groups: readonly string[];
  };
  readonly expect: 'allow' | 'deny';
}

/** What policies protect. */
export interface Application {
  /** Unique; used in logs and metrics. */
  readonly name: string;
  readonly hostname: HostnamePattern;
  readonly sessionDurationMs: number;
  /** In order; the first that matches decides. None means denied. */
  readonly policies: readonly Policy[];
  readonly tests: readonly PolicyTest[];
}

/** Where users sign in. Read, not used, in this version. */
export type IdentityProvider =
  | {
      readonly type: 'oidc';
      readonly id: string;
      readonly issuer: string;
      readonly clientId: string;
      readonly clientSecretFile?: string | undefined;
    }
  | { readonly type: 'saml'; readonly id: string; readonly idpMetadataFile: string };

const YEAR_MS = 365 * 86_400_000;

const SELECTOR_KEYS = ['email', 'email-domain', 'group'] as const;

const selectorSchema = z
  .union(
    [
      z.literal('everyone'),
      mapping({
        email: text('an address such as ann@example.com').optional(),
        'email-domain': text('a domain such as example.com').optional(),
        group: text('the name of a group').optional(),
      }),
    ],
    { error: expected('everyone, or one of email, email-domain, group with a value') },
  )
  .transform((written, context): Selector => {
    if (written === 'everyone') return { kind: 'everyone' };
    const [first, second] = SELECTOR_KEYS.flatMap((kind) => {
      const value = written[kind];
      return value === undefined ? [] : [{ kind, value }];
    });
    if (first !== undefined && second === undefined) return first;
    const message = 'must have exactly one key; write each condition as its own list entry';
    context.issues.push({ code: 'custom', input: written, message });
    return z.NEVER;
  });

const policySchema = mapping({
  action: oneOf(POLICY_ACTIONS),
  include: list(selectorSchema).min(1, {
    error: 'is empty, so the policy matches nobody; add a condition such as everyone',
  }),
  require: list(selectorSchema).default([]),
  exclude: list(selectorSchema).default([]),
});

const policyTestSchema = mapping({
  identity: mapping({
    email: text('an address such as ann@example.com').optional(),
    groups: list(text('the name of a group')).default([]),
  }),
  expect: oneOf(['allow', 'deny']),
});

/** One entry of `applications`. */
export const applicationSchema = mapping({
  name: text('a name such as wiki').max(64, { error: 'is too long; use at most 64 characters' }),
  hostname: parsed('a hostname such as wiki.example.com', parseHostnamePattern),
  'session-duration': duration({ least: 60_000, most: YEAR_MS }).prefault('8h'),
  policies: list(policySchema).default([]),
  tests: list(policyTestSchema).default([]),
}).transform(({ 'session-duration': sessionDurationMs, ...rest }): Application => {
  return { ...rest, sessionDurationMs };
});

const providerId = parsed('an id such as corp', (id) => {
  if (/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(id)) return id;
  const rule = 'use up to 32 lower-case letters, digits and dashes; it becomes part of addresses';
  throw new PosternError('CONFIG_INVALID', `${show(id)} is not an id; ${rule}`);
});

const issuer = parsed('an address such as https://idp.example.com', (address) => {
  const isUrl = URL.canParse(address) && /^https?:$/.test(new URL(address).protocol);
  if (isUrl) return address;
  const message = `${show(address)} is not an address; write it as https://idp.example.com`;
  throw new PosternError('CONFIG_INVALID', message);
});

/** One entry of `identity-providers`. File names are as written. */
export const identityProviderSchema = z.discriminatedUnion(
  'type',
  [
    mapping({
      id: providerId,
      type: z.literal('oidc'),
      issuer,
      'client-id': text('the id that the provider knows this gateway by'),
      'client-secret-file': text('the name of a file').optional(),
    }),
    mapping({
      id: providerId,
      type: z.literal('saml'),
      'idp-metadata-file': text('the name of a file'),
    }),
  ],
  { error: ({ input }) => expected('oidc or saml')({ input: typeOf(input) }) },
);

function typeOf(provider: unknown): unknown {
  return typeof provider === 'object' && provider !== null && 'type' in provider
    ? provider.type
    : undefined;
}

/** Sorts so that the first application whose hostname matches is the most specific one. */
export function bySpecificity(a: Application, b: Application): number {
  const rank = ({ hostname }: Application): number =>
    hostname.kind === 'exact' ? Number.POSITIVE_INFINITY : hostname.text.length;
  const [rankA, rankB] = [rank(a), rank(b)];
  return rankA === rankB ? 0 : rankB - rankA;
}
