/**
 * Whether a request may reach a hostname when nothing is known of who sends it.
 *
 * The decision of policy/decide.ts as a yes or no: what a sign-in could open is closed.
 */
import { decide as decideByPolicy, type AccessRules } from './policy/decide.ts';

export type { AccessRules };

export type AccessDecision =
  | { readonly allow: true; readonly application: string | undefined }
  | {
      readonly allow: false;
      readonly application: string | undefined;
      /** For the log, never for the user. */
      readonly reason: string;
    };

/** Decides for a hostname in normal form. */
export function decide(rules: AccessRules, hostname: string): AccessDecision {
  const ask = { hostname, path: '' };
  const { outcome, application, reason } = decideByPolicy(rules, ask, { now: 0 });
  if (outcome === 'allow') return { allow: true, application: application?.name };
  return { allow: false, application: application?.name, reason };
}
