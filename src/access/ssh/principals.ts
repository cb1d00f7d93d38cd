/**
 * Which user names of a machine somebody may log in with, by the rules of an application.
 *
 * Pure, and strict: a principal is a plain user name. sshd takes an empty list for everybody, other programs take `*` for
 * it, and a claim is written by whoever runs the identity provider; none of that gets through (attack case K16).
 */
import { LIMITS } from '../../core/limits.ts';
import type { Identity, ServiceTokenIdentity } from '../identity.ts';

/** Where principals come from; the first that is given counts, and without any it is the part of the e-mail before "@". */
export interface PrincipalRules {
  /** These, for everybody. */
  readonly principals?: readonly string[] | undefined;
  /** A claim that holds a name, or a list of names. */
  readonly principalClaim?: string | undefined;
  /** For service tokens, instead of the token's name. */
  readonly servicePrincipals?: readonly string[] | undefined;
}

/** What Linux, the BSDs and directories take for a user name. No "*", "@", "/", ":", space or comma, no leading "-". */
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

/** Whether sshd may be told that somebody is this user. */
export function isPrincipal(name: unknown): name is string {
  return typeof name === 'string' && USER_NAME.test(name) && !/^\.+$/.test(name);
}

/** The user names of a person, each once; empty when there is none, and then there can be no certificate. */
export function principalsFor(identity: Identity, rules: PrincipalRules): string[] {
  if (rules.principals !== undefined) return plain(rules.principals);
  if (rules.principalClaim !== undefined) return plain(claimed(identity, rules.principalClaim));
  const [prefix = ''] = identity.email?.split('@') ?? [];
  // Who can choose an address may choose this one; as a rule or a claim it is somebody's decision.
  return prefix === 'root' ? [] : plain([prefix]);
}

/** The user names of a machine. */
export function servicePrincipalsFor(token: ServiceTokenIdentity, rules: PrincipalRules): string[] {
  if (rules.servicePrincipals !== undefined) return plain(rules.servicePrincipals);
  return token.name === 'root' ? [] : plain([token.name]);
}

function claimed(identity: Identity, claim: string): readonly unknown[] {
  const value = Object.hasOwn(identity.claims, claim) ? identity.claims[claim] : undefined;
  return Array.isArray(value) ? value : [value];
}

/** Names of groups and the like, which a claim may hold too, are left out. */
function plain(names: readonly unknown[]): string[] {
  return [...new Set(names.filter((name) => isPrincipal(name)))].slice(0, LIMITS.sshPrincipals);
}
