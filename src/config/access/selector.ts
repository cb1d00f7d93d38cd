/**
 * The conditions that policies and access groups are made of, as the gateway's file writes them.
 *
 * Each is a word, or a mapping with one key. Values come out in the form in which they are compared: e-mail addresses and
 * domains in lower case, countries in upper case. What a condition holds for is decided in access/policy/.
 */
import { z } from 'zod';
import { codeOf, messageOf, PosternError } from '../../core/error.ts';
import { expected, list, mapping, parsed, show, text } from '../field.ts';
import { parseHostname } from '../hostname-pattern.ts';
import { parseIpRange } from './ip-range.ts';
import type { IpRange } from './ip-range.ts';

/** Conditions that are one text. */
type TextKind = 'email' | 'email-domain' | 'group' | 'provider' | 'method' | 'access-group';

/** What must be so of a client certificate that TLS has verified. */
export type CertificateMatch =
  | { readonly field: 'any' }
  | { readonly field: 'common-name' | 'fingerprint' | 'name'; readonly value: string };

/** One condition. */
export type Selector =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'any-identity' }
  | { [Kind in TextKind]: { readonly kind: Kind; readonly value: string } }[TextKind]
  | { readonly kind: 'claim'; readonly name: string; readonly value: string | number | boolean }
  | { readonly kind: 'ip'; readonly ranges: readonly IpRange[] }
  | { readonly kind: 'country'; readonly countries: readonly string[] }
  /** By name; `any` is every service token. */
  | { readonly kind: 'service-token'; readonly value: string }
  | { readonly kind: 'client-certificate'; readonly match: CertificateMatch };

const WORDS = ['everyone', 'any-identity'] as const;

/** An e-mail address in lower case. Identities have no others, so a condition with another would never hold. */
function email() {
  return parsed('an address such as ann@example.com', (written) => {
    if (/^[\u0021-\u003f\u0041-\u007e]+@[\u0021-\u003f\u0041-\u007e]+$/.test(written)) {
      return written.toLowerCase();
    }
    const rule = 'write one "@" and plain ASCII, as in ann@example.com';
    throw new PosternError('CONFIG_INVALID', `${show(written)} is not an e-mail address; ${rule}`);
  });
}

const COUNTRY = 'a code of two letters such as DE';

/** An ISO 3166 code of two letters, in upper case. */
export function country() {
  return parsed(COUNTRY, parseCountry);
}

function parseCountry(code: string): string {
  if (/^[a-z]{2}$/i.test(code)) return code.toUpperCase();
  throw new PosternError('CONFIG_INVALID', `${show(code)} is not a country; write ${COUNTRY}`);
}

/** SHA-256 of a certificate in hex, as it is compared: lower case, without the colons that openssl prints. */
export function fingerprint() {
  return parsed('the SHA-256 of a certificate in hex', (written) => {
    const hex = written.replaceAll(':', '').toLowerCase();
    if (/^[0-9a-f]{64}$/.test(hex)) return hex;
    const remedy = 'take it from "openssl x509 -fingerprint -sha256"';
    throw new PosternError('CONFIG_INVALID', `${show(written)} is not a SHA-256; ${remedy}`);
  });
}

/** One text or a list of them that is not empty, each as `parse` makes it; a list either way. */
function oneOrMore<Value>(what: string, parse: (text: string) => Value) {
  const item = z.string({ error: expected(what) });
  const empty = `is empty, so it never holds; write ${what}`;
  return z
    .union([item, list(item).min(1, { error: empty })], {
      error: expected(`${what}, or a list of them`),
    })
    .transform((written, context): Value[] => {
      try {
        return [written].flat().map(parse);
      } catch (error) {
        if (codeOf(error) === undefined) throw error;
        context.issues.push({ code: 'custom', input: written, message: messageOf(error) });
        return z.NEVER;
      }
    });
}

const certificateMapping = mapping({
  'common-name': text('the name in the subject of a certificate').optional(),
  fingerprint: fingerprint().optional(),
  name: text('an e-mail address or DNS name in the certificate').optional(),
}).transform((written, context): CertificateMatch => {
  const [first, second] = (['common-name', 'fingerprint', 'name'] as const).flatMap((field) => {
    const value = written[field];
    return value === undefined ? [] : [{ field, value }];
  });
  return first !== undefined && second === undefined ? first : refuseKeys(written, context);
});

const mappingSchema = mapping({
  email: email().optional(),
  'email-domain': parsed('a domain such as example.com', parseHostname).optional(),
  group: text('the name of a group').optional(),
  'access-group': text('the name of an entry of groups').optional(),
  claim: mapping({
    name: text('the name of a claim'),
    value: z.union([z.string(), z.number(), z.boolean()], {
      error: expected('text, a number, true or false'),
    }),
  }).optional(),
  provider: text('the id of an identity provider').optional(),
  method: text('a method such as mfa').optional(),
  ip: oneOrMore('an address or network such as 192.0.2.0/24', parseIpRange).optional(),
  country: oneOrMore(COUNTRY, parseCountry).optional(),
  'service-token': text('the name of a service token, or any').optional(),
  'client-certificate': z
    .union([z.literal('any'), certificateMapping], {
      error: expected('any, or one of common-name, fingerprint, name with a value'),
    })
    .optional(),
});

/** One entry of `include`, `require` or `exclude`. */
export const selectorSchema = z
  .union([z.enum(WORDS), mappingSchema], {
    error: expected(
      `${WORDS.join(', ')}, or one of ${Object.keys(mappingSchema.shape).join(', ')} with a value`,
    ),
  })
  .transform((written, context): Selector => {
    if (typeof written === 'string') return { kind: written };
    const [first, second] = selectorsOf(written);
    return first !== undefined && second === undefined ? first : refuseKeys(written, context);
  });

const TEXT_KINDS = [
  'email',
  'email-domain',
  'group',
  'access-group',
  'provider',
  'method',
] as const;

function selectorsOf(written: z.output<typeof mappingSchema>): Selector[] {
  const selectors: Selector[] = [];
  for (const kind of [...TEXT_KINDS, 'service-token'] as const) {
    const value = written[kind];
    if (value !== undefined) selectors.push({ kind, value });
  }
  const { claim, ip, country: countries, 'client-certificate': certificate } = written;
  if (claim !== undefined) selectors.push({ kind: 'claim', ...claim });
  if (ip !== undefined) selectors.push({ kind: 'ip', ranges: ip });
  if (countries !== undefined) selectors.push({ kind: 'country', countries });
  if (certificate !== undefined) {
    const match: CertificateMatch = certificate === 'any' ? { field: 'any' } : certificate;
    selectors.push({ kind: 'client-certificate', match });
  }
  return selectors;
}

function refuseKeys(input: unknown, context: z.core.$RefinementCtx): never {
  const message = 'must have exactly one key; write each condition as its own list entry';
  context.issues.push({ code: 'custom', input, message });
  return z.NEVER;
}

/** The three lists of conditions that policies and access groups have. */
export const conditionLists = {
  include: list(selectorSchema).min(1, {
    error: 'is empty, so the policy matches nobody; add a condition such as everyone',
  }),
  require: list(selectorSchema).default([]),
  exclude: list(selectorSchema).default([]),
};

/** Holds when any of `include`, all of `require` and none of `exclude` hold. */
export interface Conditions {
  readonly include: readonly Selector[];
  readonly require: readonly Selector[];
  readonly exclude: readonly Selector[];
}
