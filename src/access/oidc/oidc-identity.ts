/** The identity that an OpenID provider's claims make, from the ID token and from UserInfo. Pure. */
import { LIMITS } from '../../core/limits.ts';
import { claimValue } from '../claim-value.ts';
import type { Identity } from '../identity.ts';
import { canonicalEmail } from '../sign-in/canonical-email.ts';

type Claims = Readonly<Record<string, unknown>>;

/** What the configuration says about a provider's claims. */
export interface ClaimRules {
  readonly id: string;
  readonly groupsClaim: string;
  /** Claims that are kept for policies. */
  readonly claims: readonly string[];
  readonly emailVerification: 'required' | 'trust-unverified';
}

/**
 * Who the claims are about. UserInfo is the fresher of the two and wins, except for the subject, which the caller has compared.
 * Undefined when there is no subject or the whole is larger than LIMITS.identityBytes.
 */
export function oidcIdentity(
  rules: ClaimRules,
  idToken: Claims,
  userInfo: Claims = {},
): Identity | undefined {
  const subject = idToken['sub'];
  if (typeof subject !== 'string' || subject === '') return undefined;
  const all = { ...idToken, ...userInfo };
  const email = verifiedEmail(rules, [userInfo, idToken]);
  const name = [all['name'], all['preferred_username']].find(
    (value) => typeof value === 'string' && value !== '',
  );
  const kept = rules.claims
    .map((claim) => [claim, claimValue(all, claim)] as const)
    .filter(([, value]) => value !== undefined);
  const identity: Identity = {
    provider: rules.id,
    subject,
    ...(email !== undefined && { email }),
    ...(typeof name === 'string' && { name }),
    groups: texts(claimValue(all, rules.groupsClaim)),
    methods: texts(idToken['amr']),
    claims: Object.fromEntries(kept),
  };
  const isTooLarge = Buffer.byteLength(JSON.stringify(identity)) > LIMITS.identityBytes;
  return isTooLarge ? undefined : identity;
}

/** Whether it is verified counts only beside the same address: the two sources may speak of different ones (case O22). */
function verifiedEmail(rules: ClaimRules, sources: readonly Claims[]): string | undefined {
  const email = sources.find((source) => source['email'] !== undefined)?.['email'];
  const isVerified = sources.some((source) => {
    const verified = source['email_verified'];
    return source['email'] === email && (verified === true || verified === 'true');
  });
  const isGood = isVerified || rules.emailVerification === 'trust-unverified';
  return isGood ? canonicalEmail(email) : undefined;
}

/** A list of texts, each once; a text alone is a list of one. */
function texts(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return [...new Set(list.filter((item) => typeof item === 'string' && item !== ''))] as string[];
}
