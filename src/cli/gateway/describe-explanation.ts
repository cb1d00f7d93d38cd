/** An explanation of the policies as commands print it. */
import type { Ask, Decision } from '../../access/policy/decide.ts';
import type {
  ExplainedPolicy,
  ExplainedSelector,
  Explanation,
} from '../../access/policy/explain.ts';

/** As JSON has it: names instead of whole applications and policies. */
export interface ExplanationSummary extends Omit<Explanation, 'decision'> {
  readonly hostname: string;
  readonly path: string;
  readonly outcome: Decision['outcome'];
  readonly reason: Decision['reason'];
  readonly by: Decision['by'];
  readonly needsPurpose: boolean;
  /** Absent: no application covers this. */
  readonly application?: string;
  /** The policy that decided, or because of which a sign-in is asked for. */
  readonly policy?: string;
}

/** What there is to say. */
export function summarise(
  ask: Ask,
  { decision, policies, groups }: Explanation,
): ExplanationSummary {
  const { outcome, reason, by, needsPurpose, application, policy } = decision;
  return {
    ...ask,
    outcome,
    reason,
    by,
    needsPurpose,
    ...(application !== undefined && { application: application.name }),
    ...(policy !== undefined && { policy: policy.name }),
    policies,
    groups,
  };
}

/** The same for people: each policy with its conditions, each group, and the answer last. */
export function describeExplanation(summary: ExplanationSummary): string[] {
  const { application, policies, groups } = summary;
  return [
    application === undefined ? 'no application' : `application "${application}"`,
    ...policies.flatMap((policy) => [
      '',
      `${policy.action} "${policy.name}": ${policy.result}`,
      ...whyNotApplied(policy),
      ...policy.conditions.map(describeCondition),
    ]),
    ...groups.flatMap(({ name, result, conditions }) => [
      '',
      `access group "${name}": ${result}`,
      ...conditions.map(describeCondition),
    ]),
    '',
    `${summary.outcome}: ${describeReason(summary)}`,
  ];
}

function describeCondition({ result, list, condition }: ExplainedSelector): string {
  return row(result, list, condition);
}

function whyNotApplied({ action, applies }: ExplainedPolicy): string[] {
  if (applies === 'hit') return [];
  const why =
    action === 'service-auth'
      ? 'needs a service token or a client certificate'
      : 'needs somebody who is signed in';
  return [row(applies, 'action', `${action} ${why}`)];
}

function row(result: string, list: string, text: string): string {
  return `  ${result.padEnd(7)}  ${list.padEnd(7)}  ${text}`;
}

function describeReason({ reason, policy = '', needsPurpose }: ExplanationSummary): string {
  switch (reason) {
    case 'allowed-by-policy':
      return `by policy "${policy}"${needsPurpose ? ', when they say why they want in' : ''}`;
    case 'denied-by-policy':
      return `by policy "${policy}"`;
    case 'not-signed-in':
      return `nobody is signed in, and policy "${policy}" depends on who it is`;
    case 'no-policy-matched':
      return 'no policy matches';
    case 'no-application':
      return 'no application covers this hostname and path';
    case 'default-policy':
      return 'default-policy lets everybody in where there is no application';
    case 'path-not-canonical':
      return 'the path can be read in several ways, or there is none, and applications share this hostname by path';
  }
}
