/**
 * Whether a request may pass: the first policy of its application that matches decides. design.md §6.
 *
 * Pure: the same rules, question and context give the same decision. Deny by default. Nobody is let in by what is not
 * known: while nobody is signed in, a deny that might match keeps everybody out, and an allow that might match is a reason
 * to ask for a sign-in and no more. docs/access.md "Policies".
 */
import type { AccessGroup } from '../../config/access/access-group.ts';
import type { Application } from '../../config/access/application.ts';
import type { Policy } from '../../config/access/policy.ts';
import { Evaluation } from './evaluation.ts';
import { findApplication } from './find-application.ts';
import type { PolicyContext } from './policy-context.ts';

/** What is decided with: a gateway's configuration is one. */
export interface AccessRules {
  /** The most specific hostname, and then path, first. */
  readonly applications: readonly Application[];
  readonly groups: readonly AccessGroup[];
  /** What happens to a hostname without an application. */
  readonly defaultPolicy: 'deny' | 'public';
}

/** Where somebody wants to go. */
export interface Ask {
  readonly hostname: string;
  /** As it was sent, without the query; '' for a raw TCP stream. */
  readonly path: string;
}

/** Why, for the log and for explanations, never for the user. */
export type DecisionReason =
  /** `policy` lets them in. */
  | 'allowed-by-policy'
  /** `policy` keeps them out. */
  | 'denied-by-policy'
  | 'no-policy-matched'
  /** `policy` would match somebody, and nobody is signed in. */
  | 'not-signed-in'
  | 'no-application'
  /** There is no application, and `default-policy` is `public`. */
  | 'default-policy'
  | 'path-not-canonical';

/** What becomes of a request. */
export interface Decision {
  /** `sign-in`: it is not known yet. Never the answer to somebody who is signed in or has a service token. */
  readonly outcome: 'allow' | 'deny' | 'sign-in';
  readonly application?: Application | undefined;
  /** The one that decided, or because of which a sign-in is asked for. */
  readonly policy?: Policy | undefined;
  /** By what right somebody is let in; `none` when nobody is. */
  readonly by: 'bypass' | 'user' | 'service' | 'none';
  readonly reason: DecisionReason;
  /** Whether they must say why they want in first. */
  readonly needsPurpose: boolean;
}

/** Decides. */
export function decide(rules: AccessRules, ask: Ask, context: PolicyContext): Decision {
  const application = findApplication(rules.applications, ask.hostname, ask.path);
  if (application === 'path-not-canonical') return refused(application);
  if (application !== 'no-application') {
    return decideByPolicies(application, new Evaluation(rules.groups, context));
  }
  if (rules.defaultPolicy === 'deny') return refused(application);
  return { outcome: 'allow', by: 'bypass', reason: 'default-policy', needsPurpose: false };
}

function decideByPolicies(application: Application, evaluation: Evaluation): Decision {
  /** The first policy that could let a person in whom we do not know yet. */
  let hope: Policy | undefined;
  /** The first policy that could keep such a person out. */
  let doubt: Policy | undefined;
  for (const policy of application.policies) {
    const result = evaluation.policy(policy);
    if (result === 'unknown') {
      if (policy.action === 'deny') doubt ??= policy;
      else hope ??= policy;
    }
    if (result !== 'hit') continue;
    if (policy.action === 'deny') {
      return hope === undefined
        ? { ...refused('denied-by-policy'), application, policy }
        : signIn(application, hope);
    }
    return doubt === undefined ? allowed(application, policy) : signIn(application, doubt);
  }
  return hope === undefined
    ? { ...refused('no-policy-matched'), application }
    : signIn(application, hope);
}

/** Of the policies that let somebody in; the others never get that far. */
const RIGHTS = {
  allow: 'user',
  bypass: 'bypass',
  'service-auth': 'service',
  deny: 'none',
} as const;

function allowed(application: Application, policy: Policy): Decision {
  const by = RIGHTS[policy.action];
  const needsPurpose = policy.purposeJustification ?? application.purposeJustification;
  return {
    outcome: 'allow',
    application,
    policy,
    by,
    reason: 'allowed-by-policy',
    needsPurpose: by === 'user' && needsPurpose,
  };
}

function signIn(application: Application, policy: Policy): Decision {
  const by = 'none';
  return {
    outcome: 'sign-in',
    application,
    policy,
    by,
    reason: 'not-signed-in',
    needsPurpose: false,
  };
}

function refused(reason: DecisionReason): Decision {
  return { outcome: 'deny', by: 'none', reason, needsPurpose: false };
}
