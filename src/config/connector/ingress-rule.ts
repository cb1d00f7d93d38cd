/**
 * Ingress rules: which hostname and path reach which service, in order; the last rule catches all.
 *
 * The first rule whose hostname AND path match is the one. The list is also the connector's allow-list: what no rule
 * names is never dialled. Rules are plain values; a rule's `id` stays the same as long as its meaning does, so that
 * streams opened by id survive a reload of the rules around it.
 */
import { createHash } from 'node:crypto';
import { matchesHostname, normaliseHostname } from '../hostname-pattern.ts';
import type { HostnamePattern } from '../hostname-pattern.ts';
import type { HeaderChanges } from './field-changes.ts';
import type { HealthCheck } from './health-check.ts';
import type { OriginRequest } from './origin-request.ts';
import type { OriginService } from './origin-service.ts';
import type { PathPattern } from './path-pattern.ts';
import type { PathRewrite } from './path-rewrite.ts';

/** One rule, resolved. */
export interface IngressRule {
  /** Position in the file, from 0. */
  readonly index: number;
  /** 16 hex digits of a hash over everything below: the name of the rule on the wire. */
  readonly id: string;
  readonly hostname: HostnamePattern;
  readonly path?: PathPattern | undefined;
  readonly service: OriginService;
  readonly originRequest: OriginRequest;
  /** Absent: its origin is taken for healthy. */
  readonly healthCheck?: HealthCheck | undefined;
  /** Absent: the path is sent as it came. */
  readonly rewrite?: PathRewrite | undefined;
  /** Absent: no fields are changed. */
  readonly headers?: HeaderChanges | undefined;
}

/** What a rule must have to be matched: also routes and applications. */
export interface Matchable {
  readonly hostname: HostnamePattern;
  readonly path?: PathPattern | undefined;
}

/**
 * The first rule, from the top, whose hostname and path both match. `path` is the request's path without the query;
 * for raw TCP pass ''. Undefined only when the last rule does not catch all.
 */
export function matchRule<Rule extends Matchable>(
  rules: readonly Rule[],
  hostname: string,
  path: string,
): Rule | undefined {
  const normal = normaliseHostname(hostname);
  return rules.find(
    (rule) => matchesHostname(rule.hostname, normal) && (rule.path?.test(path) ?? true),
  );
}

/** Completes a rule with its id. */
export function ingressRule(rule: Omit<IngressRule, 'id'>): IngressRule {
  const { hostname, path, service, originRequest, healthCheck, rewrite, headers } = rule;
  const meaning: unknown[] = [
    hostname.text,
    path?.text ?? null,
    sorted(service),
    sorted(originRequest),
  ];
  // Only where they are there, so that other rules keep their ids.
  if (healthCheck !== undefined) meaning.push({ healthCheck: sorted(healthCheck) });
  if (rewrite !== undefined) meaning.push('rewrite', rewrite.path, rewrite.to);
  if (headers !== undefined) meaning.push('headers', sorted(headers));
  const id = createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 16);
  return { ...rule, id };
}

function sorted(record: object): [string, unknown][] {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
