/**
 * The connector's ingress as the gateway meets it: what is announced, and which rule a request may use.
 *
 * The rules are the connector's own allow-list (design: "Connector"). A gateway names a rule by the id it was told and
 * can name nothing else: no host, no port, no path to a socket. Pure; the caller holds the current rules.
 */
import { matchesHostname } from '../../config/hostname-pattern.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { OriginService } from '../../config/connector/origin-service.ts';
import { PosternError } from '../../core/error.ts';
import { announceHttp, unheededOf } from './announced-http.ts';
import type { AnnouncedRule } from '../../protocol/message/announced-rule.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';

/**
 * The rule that `request` names. Throws ORIGIN_NO_RULE when there is none with this id (also one that was right before a
 * reload of the rules), when the hostname is not the rule's, for HTTP to a service that does not speak it, or when the gateway does
 * not do what the rule wants done.
 */
export function chooseRule(rules: readonly IngressRule[], request: RuleRequest): IngressRule {
  const rule = rules.find(({ id }) => id === request.rule);
  if (rule === undefined) throw noRule(request, 'no ingress rule has this id');
  if (!matchesHostname(rule.hostname, request.hostname)) {
    throw noRule(request, `the rule is for "${rule.hostname.text}"`);
  }
  // Bytes may be carried to any service; HTTP is only spoken to one that is said to speak it.
  if (request.kind === 'http' && streamKind(rule.service) === 'tcp') {
    throw noRule(request, 'the service of the rule is not HTTP');
  }
  const { portOffset = 0 } = request;
  if (portOffset >= portsOf(rule.service)) {
    throw noRule(request, `the service of the rule has no port ${portOffset + 1}`);
  }
  const unheeded = request.kind === 'http' ? unheededOf(rule, request.heeds) : undefined;
  if (unheeded !== undefined) {
    throw noRule(request, `its gateway is of a version that knows no "${unheeded}"`);
  }
  return rule;
}

type RuleRequest = Pick<StreamRequest, 'hostname' | 'rule' | 'kind' | 'portOffset' | 'heeds'>;

/** How many ports a service has, for TCP listeners with as many. */
function portsOf(service: OriginService): number {
  if (service.kind !== 'tcp' || service.lastPort === undefined) return 1;
  return service.lastPort - service.port + 1;
}

/** What a gateway is told of `rules`, in their order: how to match and how to speak HTTP, never where origins are. */
export function announce(rules: readonly IngressRule[]): AnnouncedRule[] {
  return rules.map((rule) => {
    const kind = streamKind(rule.service);
    return {
      id: rule.id,
      hostname: rule.hostname.text,
      ...(rule.path && { path: rule.path.text }),
      kind,
      ...(kind === 'http' && { http: announceHttp(rule) }),
      ...(rule.originRequest.access && { access: true as const }),
      ...(portsOf(rule.service) > 1 && { ports: portsOf(rule.service) }),
      ...(rule.service.kind === 'bastion' && { destinations: true as const }),
    };
  });
}

/** Whether the gateway speaks HTTP over a stream to `service`, or carries bytes. */
function streamKind(service: OriginService): StreamRequest['kind'] {
  switch (service.kind) {
    case 'tcp':
    case 'bastion':
    case 'socks-proxy':
      return 'tcp';
    default:
      return 'http';
  }
}

function noRule(request: RuleRequest, why: string): PosternError {
  const { kind, hostname, rule } = request;
  return new PosternError(
    'ORIGIN_NO_RULE',
    `Cannot open a ${kind} stream to "${hostname}" by rule "${rule}": ${why}`,
  );
}
