/**
 * How the gateway should speak HTTP to the origin of a rule, and whether it can.
 *
 * An older gateway passes over what it does not know of it. Where an origin would then get something else than its rule says,
 * the stream is refused instead: a field that was to be removed is worse than no answer.
 */
import type { HeaderChanges } from '../../config/connector/field-changes.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { AnnouncedHttp } from '../../protocol/message/announced-rule.ts';

/** What a gateway is told of a rule whose service speaks HTTP. */
export function announceHttp({ originRequest, rewrite, headers }: IngressRule): AnnouncedHttp {
  const { httpHostHeader, keepAliveTimeoutMs, http2, wholeBodies, proxyProtocol } = originRequest;
  // A PROXY header speaks for a whole connection, which then must have one user.
  const keepAliveConnections = proxyProtocol ? 0 : originRequest.keepAliveConnections;
  return {
    ...(httpHostHeader !== undefined && { hostHeader: httpHostHeader }),
    keepAliveConnections,
    keepAliveTimeoutMs,
    ...(http2 === true && { http2 }),
    ...(rewrite !== undefined && { rewrite: { path: rewrite.path, to: rewrite.to } }),
    ...(headers !== undefined && { headers: announceHeaders(headers) }),
    ...(wholeBodies === true && { wholeBodies }),
  };
}

/** What of the rule must be done and the gateway does not say that it does; undefined for nothing. */
export function unheededOf(rule: IngressRule, heeds: readonly string[] = []): string | undefined {
  const { rewrite, headers, wholeBodies } = announceHttp(rule);
  const needed = Object.entries({ rewrite, headers, wholeBodies });
  return needed.find(([word, value]) => value !== undefined && !heeds.includes(word))?.[0];
}

function announceHeaders({
  request,
  response,
}: HeaderChanges): NonNullable<AnnouncedHttp['headers']> {
  return { ...(request && { request }), ...(response && { response }) };
}
