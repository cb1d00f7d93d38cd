/** An ingress rule as commands print it. */
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import { formatListenAddress } from '../../config/listen-address.ts';
import { ORIGIN_REQUEST_DEFAULTS } from '../../config/connector/origin-request.ts';
import type { OriginService } from '../../config/connector/origin-service.ts';

export interface RuleSummary {
  /** Position in the file, from 1. */
  readonly rule: number;
  readonly id: string;
  readonly hostname: string;
  /** Absent: every path. */
  readonly path?: string;
  /** As a file would write it. */
  readonly service: string;
}

/** What there is to say about a rule. */
export function describeRule({ index, id, hostname, path, service }: IngressRule): RuleSummary {
  return {
    rule: index + 1,
    id,
    hostname: hostname.text,
    ...(path !== undefined && { path: path.text }),
    service: describeService(service),
  };
}

/** What a rule says beyond its service and does not leave at the default, by name, each as text. */
export function changedOptions(rule: IngressRule): Readonly<Record<string, string>> {
  const { originRequest, rewrite, headers, healthCheck } = rule;
  const defaults: Readonly<Record<string, unknown>> = { ...ORIGIN_REQUEST_DEFAULTS };
  const options = { ...originRequest, rewrite, headers, healthCheck };
  const changed = Object.entries(options).filter(
    ([key, value]) => value !== undefined && value !== defaults[key],
  );
  return Object.fromEntries(changed.map(([key, value]) => [key, textOf(value)]));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function describeService(service: OriginService): string {
  switch (service.kind) {
    case 'http':
      return service.url;
    case 'unix':
      return `${service.tls ? 'unix+tls' : 'unix'}:${service.path}`;
    case 'tcp':
      return `${service.scheme}://${formatListenAddress(service)}`;
    case 'http-status':
      return `http_status:${service.status}`;
    case 'hello-world':
      return 'hello_world';
    case 'bastion':
    case 'socks-proxy':
      return service.kind;
  }
}
