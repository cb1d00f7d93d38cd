/**
 * Whether one condition holds for whoever asks. Pure.
 *
 * Conditions about a person are unknown while nobody has said who they are, and a miss for a machine that came with a
 * service token: it never signs in. Everything else is definite.
 */
import { isInRange } from '../../config/access/ip-range.ts';
import type { CertificateMatch, Selector } from '../../config/access/selector.ts';
import { claimValue } from '../claim-value.ts';
import type { ClientCertificate, Identity } from '../identity.ts';
import type { PolicyContext } from './policy-context.ts';
import { truth, type Truth } from './truth.ts';

/** A condition that needs nothing but the context. */
export type PlainSelector = Exclude<Selector, { kind: 'access-group' }>;

/** Whether the condition holds. */
export function matchSelector(selector: PlainSelector, context: PolicyContext): Truth {
  switch (selector.kind) {
    case 'everyone':
      return 'hit';
    case 'ip':
      return truth(isIn(selector.ranges, context.address));
    case 'country':
      return truth(selector.countries.includes(context.country ?? ''));
    case 'service-token':
      return truth(isToken(selector.value, context.serviceToken?.name));
    case 'client-certificate':
      return truth(matchesCertificate(selector.match, context.clientCertificate));
    default:
      return aboutPerson(context, (identity) => matchesPerson(selector, identity));
  }
}

/**
 * An address in the one form that is compared: lower case, ASCII, exactly one `@` (case O22). Undefined for anything else,
 * which then matches nothing: an odd address must not be read in two ways.
 */
function comparableEmail(email: string | undefined): string | undefined {
  return /^[\u0021-\u003f\u0041-\u007e]+@[\u0021-\u003f\u0041-\u007e]+$/.test(email ?? '')
    ? email?.toLowerCase()
    : undefined;
}

function aboutPerson(context: PolicyContext, holds: (identity: Identity) => boolean): Truth {
  if (context.identity !== undefined) return truth(holds(context.identity));
  return context.serviceToken === undefined ? 'unknown' : 'miss';
}

type PersonSelector = Exclude<
  PlainSelector,
  { kind: 'everyone' | 'ip' | 'country' | 'service-token' | 'client-certificate' }
>;

function matchesPerson(selector: PersonSelector, identity: Identity): boolean {
  switch (selector.kind) {
    case 'any-identity':
      return true;
    case 'email':
      return comparableEmail(identity.email) === selector.value;
    case 'email-domain':
      return comparableEmail(identity.email)?.endsWith(`@${selector.value}`) === true;
    case 'group':
      return identity.groups.includes(selector.value);
    case 'provider':
      return identity.provider === selector.value;
    case 'method':
      return identity.methods.includes(selector.value);
    case 'claim':
      return valuesOf(identity.claims, selector.name).some((value) =>
        isSame(value, selector.value),
      );
  }
}

/** A list as its entries. */
function valuesOf(claims: Identity['claims'], name: string): readonly unknown[] {
  const value = claimValue(claims, name);
  return Array.isArray(value) ? value : [value];
}

/** As text: SAML knows nothing else, so `true` in a file must match "true". */
function isSame(claim: unknown, wanted: string | number | boolean): boolean {
  return ['string', 'number', 'boolean'].includes(typeof claim) && String(claim) === String(wanted);
}

function isIn(
  ranges: Extract<Selector, { kind: 'ip' }>['ranges'],
  address: string | undefined,
): boolean {
  return address !== undefined && ranges.some((range) => isInRange(range, address));
}

function isToken(wanted: string, name: string | undefined): boolean {
  return name !== undefined && (wanted === 'any' || wanted === name);
}

function matchesCertificate(
  match: CertificateMatch,
  certificate: ClientCertificate | undefined,
): boolean {
  if (certificate === undefined) return false;
  switch (match.field) {
    case 'any':
      return true;
    case 'common-name':
      return certificate.commonName === match.value;
    case 'fingerprint':
      return certificate.fingerprint === match.value;
    case 'name':
      return certificate.names.some((name) => lower(name) === lower(match.value));
  }
}

/** DNS names and e-mail addresses are compared without regard to ASCII case, and to nothing else. */
function lower(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
