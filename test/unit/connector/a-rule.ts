/** Ingress rules for tests: a service as it is written in a file, with cloudflared's defaults for the rest. */
import { parseHostnamePattern } from '../../../src/config/hostname-pattern.ts';
import { ingressRule, type IngressRule } from '../../../src/config/connector/ingress-rule.ts';
import type { OriginRequest } from '../../../src/config/connector/origin-request.ts';
import type { HeaderChanges } from '../../../src/config/connector/field-changes.ts';
import { compileRewrite, type WrittenRewrite } from '../../../src/config/connector/path-rewrite.ts';
import { parseService } from '../../../src/config/connector/origin-service.ts';
import { compilePath } from '../../../src/config/connector/path-pattern.ts';

export interface RuleOptions extends Partial<OriginRequest> {
  readonly hostname?: string;
  readonly path?: string;
  readonly rewrite?: WrittenRewrite;
  readonly headers?: HeaderChanges;
}

/** A rule for every hostname unless `options` names one. */
export function aRule(service: string, options: RuleOptions = {}): IngressRule {
  const { hostname = '*', path, rewrite, headers, ...originRequest } = options;
  return ingressRule({
    index: 0,
    hostname: parseHostnamePattern(hostname),
    path: path === undefined ? undefined : compilePath(path),
    service: parseService(service),
    rewrite: rewrite && compileRewrite(rewrite),
    headers,
    originRequest: {
      connectTimeoutMs: 30_000,
      tlsTimeoutMs: 10_000,
      tcpKeepAliveMs: 30_000,
      happyEyeballs: true,
      keepAliveConnections: 100,
      keepAliveTimeoutMs: 90_000,
      tlsVerification: 'required',
      ...originRequest,
    },
  });
}
