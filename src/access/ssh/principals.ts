/**
 * Which user names of a machine somebody may log in with, by the rules of an application.
 *
 * Pure, and strict: a principal is a plain user name. sshd takes an empty list for everybody, other programs take `*` for
 * it, and a claim is written by whoever runs the identity provider; none of that gets through (attack case K16).
 */
import type { SshPrincipals } from '../../config/access/ssh-access.ts';
import { LIMITS } from '../../core/limits.ts';
import { claimValue } from '../claim-value.ts';
import type { Identity, ServiceTokenIdentity } from '../identity.ts';

/** What Linux, the BSDs and directories take for a user name. No "*", "@", "/", ":", space or comma, no leading "-". */
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

/** The user names of a person, each once; empty when there is none, and then there can be no certificate. */
export function principalsFor(identity: Identity, rule: SshPrincipals): string[] {
  if (rule.from === 'list') return limited(rule.names);
  if (rule.from === 'claim') return limited(claimed(identity, rule.name).filter(isUserName));
  return chosen(identity.email?.split('@')[0]);
}

/** The user names of a machine: those of the list, or the name of its token. */
export function servicePrincipalsFor(token: ServiceTokenIdentity, rule: SshPrincipals): string[] {
  return rule.from === 'list' ? limited(rule.names) : chosen(token.name);
}

/** A claim may hold names of groups and the like too; those are left out. */
function claimed(identity: Identity, claim: string): readonly unknown[] {
  const value = claimValue(identity.claims, claim);
  return Array.isArray(value) ? value : [value];
}

/** Who can choose an address or a token's name may choose "root"; in a list or a claim it is somebody's decision. */
function chosen(name: string | undefined): string[] {
  return isUserName(name) && name !== 'root' ? [name] : [];
}

function isUserName(name: unknown): name is string {
  return typeof name === 'string' && USER_NAME.test(name);
}

function limited(names: readonly string[]): string[] {
  return [...new Set(names)].slice(0, LIMITS.sshPrincipals);
}
