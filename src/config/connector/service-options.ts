/**
 * Options of `originRequest` that only some services have a use for: none may stand where it does nothing, and none that a
 * service cannot do without may be missing.
 *
 * Written for the whole file an option is for those rules that have a use for it; written on a rule it is meant for that one.
 */
import type { ConfigSource } from '../config-source.ts';
import type { KeyPath } from '../yaml-file.ts';
import type { OriginRequest, WrittenOriginRequest } from './origin-request.ts';
import type { OriginService } from './origin-service.ts';

/** What a rule says, and what became of it. */
export interface RuleOptions {
  readonly service: OriginService;
  /** What stands on the rule itself. */
  readonly written: WrittenOriginRequest | undefined;
  readonly resolved: OriginRequest;
}

/**
 * The service that a rule really has: `bastionMode` makes a bastion of one that would be dialled, and `proxyType: socks` a
 * SOCKS proxy of a bastion, as in cloudflared.
 */
export function servedAs(
  service: OriginService,
  { bastionMode, proxyType }: Pick<WrittenOriginRequest, 'bastionMode' | 'proxyType'>,
): OriginService {
  const isDialled = service.kind === 'http' || service.kind === 'tcp';
  const kind = isDialled && bastionMode === true ? 'bastion' : service.kind;
  if (kind !== 'bastion') return service;
  return { kind: proxyType === 'socks' ? 'socks-proxy' : 'bastion' };
}

/** Throws CONFIG_INVALID for an option of the rule at `path` that does nothing there, or that it lacks. */
export function checkServiceOptions(
  source: ConfigSource,
  path: KeyPath,
  { service, written, resolved }: RuleOptions,
): void {
  const fail = (key: string, text: string) =>
    source.problem('CONFIG_INVALID', [...path, 'originRequest', key], text);
  const isChosen = service.kind === 'bastion' || service.kind === 'socks-proxy';
  if (isChosen && (resolved.ipRules ?? []).length === 0) {
    const example = '"ipRules: [{ prefix: 10.0.0.0/8, ports: [22], allow: true }]"';
    throw source.problem(
      'CONFIG_INVALID',
      [...path, 'service'],
      `reaches nothing without ipRules; say what it may be asked for, such as originRequest: ${example}`,
    );
  }
  if (!isChosen && written?.ipRules !== undefined) {
    throw fail('ipRules', 'has no effect on this service; it is for bastion and socks-proxy');
  }
  if (service.kind !== 'tcp' && !isChosen && written?.proxyType === 'socks') {
    throw fail('proxyType', 'has no effect on this service; it is for raw TCP and bastion');
  }
  if (!isChosen && written?.bastionMode === true) {
    throw fail('bastionMode', 'has no effect on this service, which is not dialled by an address');
  }
  checkProxyProtocol({ service, written, resolved }, fail);
}

function checkProxyProtocol(
  { service, written, resolved }: RuleOptions,
  fail: (key: string, text: string) => Error,
): void {
  const isBuiltIn = service.kind === 'http-status' || service.kind === 'hello-world';
  const isAsked = written?.proxyProtocol !== undefined && written.proxyProtocol !== 'off';
  if (isBuiltIn && isAsked) {
    throw fail('proxyProtocol', 'has no effect on this service, which has no origin');
  }
  const isHttp = service.kind === 'http' || service.kind === 'unix';
  if (isHttp && resolved.proxyProtocol !== undefined && resolved.http2 === true) {
    const why = 'one HTTP/2 connection carries requests of several users';
    throw fail('proxyProtocol', `cannot tell who the user is beside http2Origin: ${why}`);
  }
}
