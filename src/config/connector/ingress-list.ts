/**
 * The `ingress:` list of a connector's file, from what is written to rules.
 *
 * The last rule, and only the last, matches everything. A file that breaks this is refused as a whole: a rule that is
 * never reached, or a hostname that no rule covers, is always a mistake.
 */
import type { z } from 'zod';
import { messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ConfigSource } from '../config-source.ts';
import { list, mapping, parsed } from '../field.ts';
import { parseHostnamePattern } from '../hostname-pattern.ts';
import { healthCheckSchema, resolveHealthCheck, type HealthCheck } from './health-check.ts';
import { ingressRule } from './ingress-rule.ts';
import type { IngressRule } from './ingress-rule.ts';
import {
  mergeOriginRequest,
  ORIGIN_REQUEST_DEFAULTS,
  originRequestSchema,
} from './origin-request.ts';
import type { WrittenOriginRequest } from './origin-request.ts';
import { parseService } from './origin-service.ts';
import { headersSchema, rewriteSchema } from './rule-changes.ts';
import type { OriginService } from './origin-service.ts';
import { compilePath } from './path-pattern.ts';
import { checkCaFile } from '../pem-file.ts';
import { checkServiceOptions, servedAs } from './service-options.ts';
import type { KeyPath } from '../yaml-file.ts';

const anyHostname = parseHostnamePattern('');

/** A service, as `ingress[].service` and `url` take it. */
export const serviceField = parsed('a service such as http://localhost:8080', parseService);

/** `ingress` as it is written. */
export const ingressSchema = list(
  mapping({
    hostname: parsed('a hostname such as app.example.com', parseHostnamePattern).default(
      anyHostname,
    ),
    path: parsed('a regular expression such as ^/api/', compilePath).optional(),
    service: serviceField,
    originRequest: originRequestSchema.optional(),
    'health-check': healthCheckSchema.optional(),
    rewrite: rewriteSchema.optional(),
    headers: headersSchema.optional(),
  }),
);

type WrittenRule = z.output<typeof ingressSchema>[number];

/** The keys of the file that rules are made of. */
export interface WrittenIngress {
  readonly ingress?: readonly WrittenRule[] | undefined;
  readonly url?: OriginService | undefined;
  readonly originRequest?: WrittenOriginRequest | undefined;
}

/** Makes the rules. Throws CONFIG_INGRESS for a list that does not end with its only catch-all. */
export async function resolveIngress(
  source: ConfigSource,
  written: WrittenIngress,
): Promise<IngressRule[]> {
  const rules = writtenRules(source, written);
  checkOrder(source, rules);
  const top = await absoluteCaPool(source, ['originRequest'], written.originRequest);
  const base = mergeOriginRequest(ORIGIN_REQUEST_DEFAULTS, top);
  const resolved: IngressRule[] = [];
  for (const [index, rule] of rules.entries()) {
    const path = ['ingress', index, 'originRequest'];
    // One after the other, so that the first problem in the file is the one that is told.
    // oxlint-disable-next-line no-await-in-loop
    const own = await absoluteCaPool(source, path, rule.originRequest);
    const originRequest = mergeOriginRequest(base, own);
    const { hostname, rewrite, headers } = rule;
    const service = servedAs(rule.service, { ...top, ...own });
    checkServiceOptions(source, path.slice(0, -1), {
      service,
      written: own,
      resolved: originRequest,
    });
    const healthCheck = healthCheckOf(source, rule, index);
    checkHttpOnly(source, index, { ...rule, service });
    const checked = healthCheck && { healthCheck };
    const meant = { index, hostname, path: pathOf(rule), service, originRequest, ...checked };
    resolved.push(ingressRule({ ...meant, rewrite, headers }));
  }
  return resolved;
}

function writtenRules(
  source: ConfigSource,
  { ingress, url }: WrittenIngress,
): readonly WrittenRule[] {
  if (ingress !== undefined && url !== undefined) {
    throw source.problem('CONFIG_INGRESS', ['url'], 'has no effect beside ingress; remove it');
  }
  if (ingress !== undefined) return ingress;
  // Without any rule cloudflared answers 503 to everything, and so does this.
  const service = url ?? { kind: 'http-status', status: 503 };
  return [{ hostname: anyHostname, service }];
}

function checkOrder(source: ConfigSource, rules: readonly WrittenRule[]): void {
  const fail = (path: KeyPath, text: string) => source.problem('CONFIG_INGRESS', path, text);
  const remedy = 'end the list with "- service: http_status:404"';
  if (rules.length === 0) throw fail(['ingress'], `has no rules; ${remedy}`);
  if (rules.length > LIMITS.announcedRules) {
    const text = `has ${rules.length} rules, more than ${LIMITS.announcedRules}`;
    throw fail(['ingress'], `${text}; use wildcards, or several tunnels`);
  }
  const last = rules.length - 1;
  const at = rules.findIndex(matchesEverything);
  if (at === -1) {
    throw fail(['ingress', last], `the last rule must match everything; ${remedy}`);
  }
  if (at !== last) {
    const text = 'matches everything, so the rules below it are never reached';
    throw fail(['ingress', at], `${text}; give it a hostname or a path, or move it to the end`);
  }
}

/** Raw bytes have no path and no fields. */
function checkHttpOnly(source: ConfigSource, index: number, rule: WrittenRule): void {
  const isHttp = ['http', 'unix', 'http-status', 'hello-world'].includes(rule.service.kind);
  for (const key of ['rewrite', 'headers'] as const) {
    if (isHttp || rule[key] === undefined) continue;
    const text = 'has no effect on a service that is not HTTP; remove it';
    throw source.problem('CONFIG_INVALID', ['ingress', index, key], text);
  }
}

function matchesEverything(rule: WrittenRule): boolean {
  return rule.hostname.kind === 'any' && pathOf(rule) === undefined;
}

/** An empty expression is found in every path. */
function pathOf({ path }: WrittenRule): WrittenRule['path'] {
  return path?.text === '' ? undefined : path;
}

function healthCheckOf(
  source: ConfigSource,
  { service, 'health-check': written }: WrittenRule,
  index: number,
): HealthCheck | undefined {
  if (written === undefined) return undefined;
  try {
    return resolveHealthCheck(written, service);
  } catch (error) {
    throw source.problem('CONFIG_INVALID', ['ingress', index, 'health-check'], messageOf(error));
  }
}

async function absoluteCaPool(
  source: ConfigSource,
  path: KeyPath,
  written: WrittenOriginRequest | undefined,
): Promise<WrittenOriginRequest | undefined> {
  if (written?.caPool === undefined || written.caPool === '') return written;
  const caPool = await checkCaFile(source, [...path, 'caPool'], written.caPool);
  return { ...written, caPool };
}
