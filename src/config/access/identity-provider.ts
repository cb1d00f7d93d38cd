/** Where users sign in, as the gateway's file describes it. File names are as written; identity-files.ts resolves them. */
import { z } from 'zod';
import { PosternError } from '../../core/error.ts';
import { isLoopback } from '../../core/loopback.ts';
import { duration, expected, flag, list, mapping, oneOf, parsed, show, text } from '../field.ts';

/** What every provider has. */
interface ProviderBase {
  /** Part of addresses: `/.postern/oidc/<id>/…`. */
  readonly id: string;
  /** What the chooser calls it. */
  readonly name: string;
}

/** An OpenID provider. */
export interface OidcProvider extends ProviderBase {
  readonly type: 'oidc';
  /** Without a slash that was not written: it is compared with `iss`. https, but for loopback hosts. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absolute. Absent: a public client, with PKCE alone. */
  readonly clientSecretFile?: string | undefined;
  /** Has `openid`. */
  readonly scopes: readonly string[];
  /** The claim that lists groups. */
  readonly groupsClaim: string;
  /** Claims that are kept for policies, beside those that identities always have. */
  readonly claims: readonly string[];
  /** Whether an address without `email_verified: true` counts. `trust-unverified` weakens: anybody may claim any address there. */
  readonly emailVerification: 'required' | 'trust-unverified';
  /** Absolute; authorities trusted for the provider beside the system's. */
  readonly caFile?: string | undefined;
  /** How often a session's claims are asked for again, where the provider gave a refresh token. */
  readonly refreshIntervalMs: number;
}

/** A SAML identity provider. */
export interface SamlProvider extends ProviderBase {
  readonly type: 'saml';
  /** Absolute. */
  readonly idpMetadataFile: string;
  /** Ours. Absent: the address of our metadata. */
  readonly entityId?: string | undefined;
  /** Names of attributes. Absent: those that are usual. */
  readonly attributes: {
    readonly email?: string | undefined;
    readonly name?: string | undefined;
    readonly groups?: string | undefined;
  };
  readonly signRequests: boolean;
  /** What must be signed. */
  readonly wantSigned: 'assertion' | 'response' | 'both';
  readonly encryptedAssertions: 'allow' | 'require' | 'refuse';
  /** Absent: a response that nobody asked for is refused. */
  readonly idpInitiated?: { readonly application: string } | undefined;
  readonly clockSkewMs: number;
}

/** Users whom the gateway keeps itself. */
interface LocalProvider extends ProviderBase {
  readonly type: 'local';
}

/** One way to sign in. */
export type IdentityProvider = OidcProvider | SamlProvider | LocalProvider;

const providerId = parsed('an id such as corp', (id) => {
  if (/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(id)) return id;
  const rule = 'use up to 32 lower-case letters, digits and dashes; it becomes part of addresses';
  throw new PosternError('CONFIG_INVALID', `${show(id)} is not an id; ${rule}`);
});

const issuer = parsed('an address such as https://idp.example.com', (address) => {
  const fail = (problem: string, remedy: string) =>
    new PosternError('CONFIG_INVALID', `${show(address)} ${problem}; ${remedy}`);
  if (!URL.canParse(address)) {
    throw fail('is not an address', 'write it as https://idp.example.com');
  }
  const { protocol, hostname, search, hash, username, password } = new URL(address);
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw fail('is not an address', 'write it as https://idp.example.com');
  }
  if (protocol === 'http:' && !isLoopback(hostname)) {
    throw fail('is not protected by TLS', 'write https://; http:// is for loopback addresses');
  }
  if (`${search}${hash}${username}${password}` !== '') {
    throw fail('is not an issuer', 'write it without user, query and fragment');
  }
  return address;
});

const label = text('a name such as Example Corp')
  .max(64, { error: 'is too long; use at most 64 characters' })
  .optional();

const scopes = list(
  text('a scope such as openid').regex(/^[\u0021\u0023-\u005b\u005d-\u007e]+$/, {
    error: 'is not a scope; write each one as its own list entry',
  }),
)
  .refine((written) => written.includes('openid'), {
    error: 'lacks openid, without which nobody is signed in; add it',
  })
  .default(['openid', 'email', 'profile']);

const oidcSchema = mapping({
  id: providerId,
  type: z.literal('oidc'),
  name: label,
  issuer,
  'client-id': text('the id that the provider knows this gateway by'),
  'client-secret-file': text('the name of a file').optional(),
  scopes,
  'groups-claim': text('the name of a claim').default('groups'),
  claims: list(text('the name of a claim')).default([]),
  'email-verification': oneOf(['required', 'trust-unverified']).default('required'),
  ca: text('the name of a PEM file').optional(),
  'refresh-interval': duration({ least: 10_000 }).prefault('15m'),
});

const samlSchema = mapping({
  id: providerId,
  type: z.literal('saml'),
  name: label,
  'idp-metadata-file': text('the name of a file'),
  'entity-id': text('a name such as https://auth.example.com/saml').optional(),
  attributes: mapping({
    email: text('the name of an attribute').optional(),
    name: text('the name of an attribute').optional(),
    groups: text('the name of an attribute').optional(),
  }).prefault({}),
  'sign-requests': flag().default(true),
  'want-signed': oneOf(['assertion', 'response', 'both']).default('assertion'),
  'encrypted-assertions': oneOf(['allow', 'require', 'refuse']).default('allow'),
  'idp-initiated': mapping({ application: text('the name of an application') }).optional(),
  'clock-skew': duration({ most: 5 * 60_000 }).prefault('30s'),
});

const localSchema = mapping({ id: providerId, type: z.literal('local'), name: label });

/** One entry of `identity-providers`. */
export const identityProviderSchema = z.discriminatedUnion(
  'type',
  [oidcSchema, samlSchema, localSchema],
  { error: ({ input }) => expected('oidc, saml or local')({ input: typeOf(input) }) },
);

/** What was written, file names as they are. */
export type WrittenProvider = z.output<typeof identityProviderSchema>;

function typeOf(provider: unknown): unknown {
  return typeof provider === 'object' && provider !== null && 'type' in provider
    ? provider.type
    : undefined;
}
