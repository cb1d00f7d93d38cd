/**
 * Requests to an identity provider, each bounded: in time as a whole, in size, and in how many there are at once.
 *
 * A provider is trusted to say who people are and with nothing else: one that hangs, or answers without end, costs a sign-in and not
 * the gateway. Plain http is for loopback alone (case O18). Redirects are never followed.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { CustomFetch, CustomFetchOptions } from 'openid-client';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
/** Statuses that have no body; Response refuses one. */
const BODILESS = new Set([204, 205, 304]);

/** Whether a provider may be spoken to at this address: https, or http on this machine. */
function isProviderUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
}

/** A fetch for one provider. `ca`: PEM of authorities that are trusted beside the usual ones. */
export function providerFetch(ca?: string): CustomFetch {
  const shared = { keepAlive: true, maxSockets: 8, scheduling: 'lifo' } as const;
  const https = new HttpsAgent({
    ...shared,
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
  });
  const http = new HttpAgent(shared);
  let open = 0;
  return async (address, options) => {
    const url = new URL(address);
    if (!isProviderUrl(url)) throw down(url, 'it is not an https address');
    if (open >= LIMITS.providerRequests) throw down(url, `${open} requests are open, the limit`);
    open += 1;
    try {
      return await exchange(url, options, url.protocol === 'https:' ? https : http);
    } finally {
      open -= 1;
    }
  };
}

async function exchange(
  url: URL,
  { method, headers, body, signal }: CustomFetchOptions,
  agent: HttpAgent | HttpsAgent,
): Promise<Response> {
  const limit = AbortSignal.timeout(LIMITS.providerRequestMs);
  const text = body === undefined || body === null ? undefined : bodyBytes(body);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(url, {
        method,
        agent,
        headers: { ...headers, ...(text && { 'content-length': text.length }) },
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      request.once('response', resolve).once('error', reject);
      request.end(text);
    });
    return await readResponse(url, response);
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw down(url, limit.aborted ? 'it took too long' : 'the connection failed', cause);
  }
}

async function readResponse(url: URL, response: IncomingMessage): Promise<Response> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMITS.providerResponseBytes) {
      response.destroy();
      throw down(url, `its answer is longer than ${LIMITS.providerResponseBytes} bytes`);
    }
    chunks.push(chunk);
  }
  const status = response.statusCode ?? 502;
  const headers = new Headers();
  const names = ['content-type', 'www-authenticate', 'dpop-nonce'] as const;
  for (const name of names) {
    const value = response.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  return new Response(BODILESS.has(status) ? null : Buffer.concat(chunks), { status, headers });
}

function bodyBytes(body: NonNullable<CustomFetchOptions['body']>): Buffer {
  if (typeof body === 'string' || body instanceof URLSearchParams) return Buffer.from(String(body));
  if (body instanceof Uint8Array) return Buffer.from(body);
  throw new PosternError('ACCESS_PROVIDER_DOWN', 'Cannot send this kind of body to a provider');
}

function down(url: URL, why: string, cause?: unknown): PosternError {
  const message = `Cannot ask the identity provider at "${url.origin}${url.pathname}": ${why}`;
  return new PosternError('ACCESS_PROVIDER_DOWN', message, { cause });
}
