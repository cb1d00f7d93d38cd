/**
 * What one part of the access configuration says about another: groups, providers and files that conditions need.
 *
 * A condition that can never hold is refused, because where it excludes somebody it would exclude nobody.
 */
import type { PosternError } from '../../core/error.ts';
import { show } from '../field.ts';
import type { WrittenGatewayConfig } from '../gateway-schema.ts';
import { nearestKey } from '../nearest-key.ts';
import type { Conditions, Selector } from './selector.ts';
import type { KeyPath } from '../yaml-file.ts';

/** Makes the error about the value at a path. */
type Problem = (path: KeyPath, text: string) => PosternError;

/** Checks every reference. Throws what `problem` makes of the first that leads nowhere. */
export function checkAccessReferences(written: WrittenGatewayConfig, problem: Problem): void {
  const { applications, groups } = written;
  for (const [at, group] of groups.entries()) {
    checkConditions(written, ['groups', at], group, problem);
  }
  checkCircles(written, problem);
  for (const [at, { policies }] of applications.entries()) {
    for (const [index, policy] of policies.entries()) {
      checkConditions(written, ['applications', at, 'policies', index], policy, problem);
    }
  }
  const names = applications.map(({ name }) => name);
  for (const [at, provider] of written['identity-providers'].entries()) {
    const target = provider.type === 'saml' ? provider['idp-initiated']?.application : undefined;
    if (target === undefined || names.includes(target)) continue;
    const path = ['identity-providers', at, 'idp-initiated', 'application'];
    throw problem(path, unknown(target, 'an application', names));
  }
}

const LISTS = ['include', 'require', 'exclude'] as const;

function checkConditions(
  written: WrittenGatewayConfig,
  at: KeyPath,
  conditions: Conditions,
  problem: Problem,
): void {
  for (const list of LISTS) {
    for (const [index, selector] of conditions[list].entries()) {
      const text = whyNever(written, selector);
      if (text !== undefined) throw problem([...at, list, index, selector.kind], text);
    }
  }
}

/** Why a condition can hold for nobody; undefined when it can. */
function whyNever(written: WrittenGatewayConfig, selector: Selector): string | undefined {
  if (selector.kind === 'access-group') {
    const names = written.groups.map(({ name }) => name);
    return names.includes(selector.value)
      ? undefined
      : unknown(selector.value, 'an entry of groups', names);
  }
  if (selector.kind === 'provider') {
    const ids = written['identity-providers'].map(({ id }) => id);
    return ids.includes(selector.value)
      ? undefined
      : unknown(selector.value, 'an identity provider', ids);
  }
  if (selector.kind === 'country' && written['country-database'] === undefined) {
    return 'needs a database that knows countries; add country-database';
  }
  if (selector.kind === 'client-certificate' && !asksForCertificates(written)) {
    return 'needs authorities that certificates are checked with; add client-ca';
  }
  return undefined;
}

/** Whether anything that listens asks users for a certificate. */
function asksForCertificates({ 'client-ca': ca, tcp }: WrittenGatewayConfig): boolean {
  const ofPort = tcp.some(({ tls }) => typeof tls === 'object' && tls['client-ca'] !== undefined);
  return ca !== undefined || ofPort;
}

function unknown(name: string, what: string, known: readonly string[]): string {
  const nearest = nearestKey(name, known);
  if (nearest !== undefined) return `${show(name)} is not ${what} (did you mean "${nearest}"?)`;
  const remedy = known.length === 0 ? 'there is none' : `there is ${known.slice(0, 12).join(', ')}`;
  return `${show(name)} is not ${what}; ${remedy}`;
}

/** A group that leads back to itself would never be decided. The names are known to exist. */
function checkCircles({ groups }: WrittenGatewayConfig, problem: Problem): void {
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    const at = groups.findIndex((group) => group.name === name);
    const group = groups[at];
    if (group === undefined || done.has(name)) return;
    const way = [...trail, name];
    for (const list of LISTS) {
      for (const [index, selector] of group[list].entries()) {
        if (selector.kind !== 'access-group') continue;
        const start = way.indexOf(selector.value);
        if (start !== -1) {
          const circle = [...way.slice(start), selector.value].join(' → ');
          const text = `leads back to itself (${circle}); remove one of these references`;
          throw problem(['groups', at, list, index, 'access-group'], text);
        }
        visit(selector.value, way);
      }
    }
    done.add(name);
  };
  for (const { name } of groups) visit(name, []);
}
