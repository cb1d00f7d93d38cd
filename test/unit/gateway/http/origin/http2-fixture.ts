/** Origins that speak HTTP/2 without TLS, and targets that lead to them as a connector would. */
import {
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
  type ServerOptions,
} from 'node:http2';
import type { OriginTarget } from '../../../../../src/gateway/http/origin/origin-opener.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { dial, listen, targetAt } from '../http-fixture.ts';

export interface Http2Origin {
  readonly port: number;
  /** In the order in which they came. */
  readonly sessions: ServerHttp2Session[];
  /** Requests, as `METHOD path`. */
  readonly requests: string[];
}

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export async function http2Origin(
  onStream: OnStream,
  options: ServerOptions = {},
): Promise<Http2Origin> {
  const sessions: ServerHttp2Session[] = [];
  const requests: string[] = [];
  const server = createServer(options);
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    requests.push(`${headers[':method']} ${headers[':path']}`);
    onStream(stream, headers);
  });
  cleanup(() => {
    for (const session of sessions) session.destroy();
  });
  return { port: await listen(server), sessions, requests };
}

/** A target that agrees on HTTP/2, or on what is said. */
export function http2Target(
  port: number,
  changes: Partial<OriginTarget> & { readonly alpn?: string } = {},
): OriginTarget {
  const { alpn = 'h2c', ...rest } = changes;
  return targetAt(port, {
    http2: true,
    open: async ({ needsHttp1 }) =>
      Object.assign(await dial(port), { alpnProtocol: needsHttp1 === true ? 'http/1.1' : alpn }),
    ...rest,
  });
}
