/**
 * What a user chose, where the service of a rule leaves that to them (`bastion`, `socks-proxy`), as a service to dial.
 *
 * Nothing is looked up here. The dialer judges each address by allowedBy() once it knows them.
 */
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { OriginService } from '../../config/connector/origin-service.ts';
import { destinationOf, formatDestination } from '../../config/destination.ts';
import { PosternError } from '../../core/error.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';
import { mayBeDialled, refusalOf } from './destination-rules.ts';
import type { IpAddress } from './ip-address.ts';
import { notAllowed } from './origin-resolver.ts';

type Chosen = Pick<StreamRequest, 'destination'>;

/** Whether users say what is dialled. */
export function letsChoose({ kind }: OriginService): boolean {
  return kind === 'bastion' || kind === 'socks-proxy';
}

/** Throws ORIGIN_DESTINATION for what is none, and ORIGIN_FORBIDDEN before anything is asked of a resolver. */
export function chosenService(
  { originRequest }: IngressRule,
  { destination: chosen }: Chosen,
): Extract<OriginService, { kind: 'tcp' }> {
  const destination = chosen && destinationOf(chosen.host, chosen.port);
  if (destination === undefined) {
    const why = chosen === undefined ? 'none was named' : 'what was named is none';
    throw new PosternError('ORIGIN_DESTINATION', `Cannot dial a destination: ${why}`);
  }
  if (!mayBeDialled(originRequest.ipRules ?? [], destination.port)) {
    throw notAllowed(formatDestination(destination), 'no rule allows its port');
  }
  return { kind: 'tcp', scheme: 'tcp', ...destination };
}

/** Throws ORIGIN_DESTINATION where one was named: whoever did does not mean what this rule leads to. */
export function expectNoDestination({ destination }: Chosen): void {
  if (destination === undefined) return;
  throw new PosternError('ORIGIN_DESTINATION', 'Cannot dial a destination: the service takes none');
}

/** Judges the addresses of a destination by the rules: why it may not be dialled, or undefined. */
export function allowedBy({ originRequest: { ipRules = [] } }: IngressRule, port: number) {
  return (address: IpAddress): string | undefined => refusalOf(ipRules, address, port);
}
