/** Policies of an application: whom each one is about, and what it does with them. design.md §6. */
import { duration, flag, mapping, oneOf, text } from '../field.ts';
import { conditionLists } from './selector.ts';
import type { Conditions } from './selector.ts';

const POLICY_ACTIONS = ['allow', 'deny', 'bypass', 'service-auth'] as const;

/** What a policy does with whom it matches. */
export type PolicyAction = (typeof POLICY_ACTIONS)[number];

/** One policy. */
export interface Policy extends Conditions {
  /** For logs and explanations. Where none was written, the policy's place in the application: `policy 2`. */
  readonly name: string;
  readonly action: PolicyAction;
  /** Whether the person must say why. Absent: as the application says. */
  readonly purposeJustification?: boolean | undefined;
  /** How long somebody whom it lets in stays in. Absent: as the application says. */
  readonly sessionDurationMs?: number | undefined;
  /** How long their streams may be detached. Absent: as the application says. */
  readonly detachedTimeoutMs?: number | undefined;
}

/** A session that lasts, ms: the least and the most. */
export const SESSION_RANGE = { least: 60_000, most: 365 * 86_400_000 } as const;

/** How long a stream may be detached, ms: its endpoints hold an origin and a client for it. */
export const DETACHED_RANGE = { least: 0, most: 86_400_000 } as const;

/** One entry of `policies`, its name not yet filled in. */
export const policySchema = mapping({
  name: text('a name such as staff')
    .max(64, { error: 'is too long; use at most 64 characters' })
    .optional(),
  action: oneOf(POLICY_ACTIONS),
  ...conditionLists,
  'purpose-justification': flag().optional(),
  'session-duration': duration(SESSION_RANGE).optional(),
  'detached-timeout': duration(DETACHED_RANGE).optional(),
}).transform(
  ({
    'purpose-justification': purposeJustification,
    'session-duration': sessionDurationMs,
    'detached-timeout': detachedTimeoutMs,
    ...rest
  }) => ({ ...rest, purposeJustification, sessionDurationMs, detachedTimeoutMs }),
);
