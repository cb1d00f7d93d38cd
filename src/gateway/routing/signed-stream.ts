/**
 * The request of a stream with the gateway's word for it, where the rule wants one. Every stream is opened through here:
 * connectors with `originRequest.access` refuse those without.
 */
import type { StreamRight, StreamSubject } from '../../access/tokens/stream-assertions.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';
import type { ReplicaRule } from '../links/connected-replica.ts';

/** What signs: access/tokens/stream-assertions.ts. */
export interface StreamSigner {
  sign(stream: StreamSubject, right: StreamRight): string | undefined;
}

/** `request` itself for every other rule, at no cost. */
export function signedStream(
  signer: StreamSigner,
  rule: Pick<ReplicaRule, 'access'> | undefined,
  request: StreamRequest,
  right: StreamRight | undefined,
): StreamRequest {
  if (rule?.access !== true || right === undefined) return request;
  const assertion = signer.sign(request, right);
  return assertion === undefined ? request : { ...request, assertion };
}
