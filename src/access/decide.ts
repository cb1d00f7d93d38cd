/**
 * Whether a request may reach a hostname. design.md §6.
 *
 * A pure function of the configuration and the hostname: no clock, no store, no request object. Deny by default. Until
 * there is sign-in nobody has an identity, so only `bypass` for everyone opens a hostname; every other policy refuses.
 */
import type { Application, Policy } from '../config/application.ts';
import { matchesHostname } from '../config/hostname-pattern.ts';

export interface AccessRules {
  /** The most specific hostname first. */
  readonly applications: readonly Application[];
  /** What happens to a hostname without an application. */
  readonly defaultPolicy: 'deny' | 'public';
}

export type AccessDecision =
  | { readonly allow: true; readonly application: string | undefined }
  | {
      readonly allow: false;
      readonly application: string | undefined;
      /** For the log, never for the user. */
      readonly reason: 'no-application' | 'no-policy-matched' | 'denied-by-policy';
    };

/** Decides for a hostname in normal form. */
export function decide(rules: AccessRules, hostname: string): AccessDecision {
  const application = rules.applications.find((app) => matchesHostname(app.hostname, hostname));
  if (application === undefined) {
    return rules.defaultPolicy === 'public'
      ? { allow: true, application: undefined }
      : { allow: false, application: undefined, reason: 'no-application' };
  }
  const policy = application.policies.find(matchesAnybody);
  if (policy?.action === 'bypass') return { allow: true, application: application.name };
  const reason = policy === undefined ? 'no-policy-matched' : 'denied-by-policy';
  return { allow: false, application: application.name, reason };
}

/** Whether a policy applies to somebody of whom nothing is known. */
function matchesAnybody(policy: Policy): boolean {
  return (
    policy.include.some(({ kind }) => kind === 'everyone') &&
    policy.require.every(({ kind }) => kind === 'everyone') &&
    // Nothing is known of the user, so no exclusion can be ruled out.
    policy.exclude.length === 0
  );
}
