/**
 * What holds of the conditions of policies and access groups for one request.
 *
 * Groups are judged once, however often they are named: they may name each other, and without that a file of a few lines
 * could cost more than a request is worth.
 */
import type { AccessGroup } from '../../config/access/access-group.ts';
import type { Policy } from '../../config/access/policy.ts';
import type { Conditions, Selector } from '../../config/access/selector.ts';
import { matchSelector } from './match-selector.ts';
import type { PolicyContext } from './policy-context.ts';
import { all, any, not, truth, type Truth } from './truth.ts';

/** One request's view of the rules. */
export class Evaluation {
  readonly #groups: readonly AccessGroup[];
  readonly #context: PolicyContext;
  readonly #known = new Map<string, Truth>();

  constructor(groups: readonly AccessGroup[], context: PolicyContext) {
    this.#groups = groups;
    this.#context = context;
  }

  /** Whether the policy is about whoever asks: its conditions, and that its action can be done with them. */
  policy(policy: Policy): Truth {
    return all([this.applies(policy), this.conditions(policy)]);
  }

  /** Whether the action is for such a principal: `allow` is for people, `service-auth` for machines. */
  applies({ action }: Policy): Truth {
    const { identity, serviceToken, clientCertificate } = this.#context;
    if (action === 'service-auth') {
      return truth(serviceToken !== undefined || clientCertificate !== undefined);
    }
    if (action !== 'allow' || identity !== undefined) return 'hit';
    return serviceToken === undefined ? 'unknown' : 'miss';
  }

  /** Any of `include`, all of `require` and none of `exclude`. */
  conditions({ include, require, exclude }: Conditions): Truth {
    const holds = (selector: Selector): Truth => this.selector(selector);
    return all([any(include.map(holds)), all(require.map(holds)), not(any(exclude.map(holds)))]);
  }

  selector(selector: Selector): Truth {
    return selector.kind === 'access-group'
      ? this.group(selector.value)
      : matchSelector(selector, this.#context);
  }

  /** The configuration has been checked: the group exists, and leads nowhere back to itself. */
  group(name: string): Truth {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const group = this.#groups.find((candidate) => candidate.name === name);
    if (group === undefined) throw new TypeError(`access group "${name}" does not exist`);
    const result = this.conditions(group);
    this.#known.set(name, result);
    return result;
  }
}
