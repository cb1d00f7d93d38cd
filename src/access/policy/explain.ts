/**
 * The decision about a request, and for every policy and condition of its application whether it is met.
 *
 * The decision is decide()'s own, and what holds is asked of the same Evaluation: an explanation cannot differ from what
 * the gateway does. It looks at everything, also behind the policy that decided, so it is for people and never for requests.
 */
import type { Application } from '../../config/access/application.ts';
import type { Policy, PolicyAction } from '../../config/access/policy.ts';
import type { Conditions, Selector } from '../../config/access/selector.ts';
import { decide, type AccessRules, type Ask, type Decision } from './decide.ts';
import { describeSelector } from './describe-selector.ts';
import { Evaluation } from './evaluation.ts';
import type { PolicyContext } from './policy-context.ts';
import type { Truth } from './truth.ts';

/** One condition, and whether it is met. */
export interface ExplainedSelector {
  readonly list: 'include' | 'require' | 'exclude';
  readonly condition: string;
  /** Of a condition in `exclude`, a hit is what keeps the policy from matching. */
  readonly result: Truth;
}

/** One policy, and whether it matches. */
export interface ExplainedPolicy {
  readonly name: string;
  readonly action: PolicyAction;
  readonly result: Truth;
  /** Whether the action is for such a request at all: `allow` is for people, `service-auth` for machines. */
  readonly applies: Truth;
  readonly conditions: readonly ExplainedSelector[];
}

/** One access group that the policies refer to, directly or not. */
interface ExplainedGroup {
  readonly name: string;
  readonly result: Truth;
  readonly conditions: readonly ExplainedSelector[];
}

/** All there is to say about a request. */
export interface Explanation {
  readonly decision: Decision;
  /** In the order in which they are asked. Empty where there is no application. */
  readonly policies: readonly ExplainedPolicy[];
  /** Each group once. */
  readonly groups: readonly ExplainedGroup[];
}

/** Explains. */
export function explain(rules: AccessRules, ask: Ask, context: PolicyContext): Explanation {
  const decision = decide(rules, ask, context);
  const evaluation = new Evaluation(rules.groups, context);
  const { policies = [] } = decision.application ?? ({} as Partial<Application>);
  const names = groupsOf(policies, rules);
  return {
    decision,
    policies: policies.map((policy) => explainPolicy(policy, evaluation)),
    groups: rules.groups
      .filter(({ name }) => names.has(name))
      .map((group) => ({
        name: group.name,
        result: evaluation.group(group.name),
        conditions: explainConditions(group, evaluation),
      })),
  };
}

function explainPolicy(policy: Policy, evaluation: Evaluation): ExplainedPolicy {
  return {
    name: policy.name,
    action: policy.action,
    result: evaluation.policy(policy),
    applies: evaluation.applies(policy),
    conditions: explainConditions(policy, evaluation),
  };
}

const LISTS = ['include', 'require', 'exclude'] as const;

function explainConditions(conditions: Conditions, evaluation: Evaluation): ExplainedSelector[] {
  return LISTS.flatMap((list) =>
    conditions[list].map((selector) => ({
      list,
      condition: describeSelector(selector),
      result: evaluation.selector(selector),
    })),
  );
}

/** The names of all access groups that a request's policies can lead to. */
function groupsOf(policies: readonly Conditions[], { groups }: AccessRules): Set<string> {
  const names = new Set<string>();
  const waiting: Conditions[] = [...policies];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const name of LISTS.flatMap((list) => next?.[list] ?? []).flatMap(groupName)) {
      const group = groups.find((candidate) => candidate.name === name);
      if (group === undefined || names.has(name)) continue;
      names.add(name);
      waiting.push(group);
    }
  }
  return names;
}

function groupName(selector: Selector): string[] {
  return selector.kind === 'access-group' ? [selector.value] : [];
}
