/**
 * The handler under test on a real TLS server that speaks HTTP/2, and Node's client to it.
 *
 * Everything is closed after the test. Certificates are made once a file.
 */
import { once } from 'node:events';
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { createServer, type Server } from 'node:https';
import { HTTP_SERVER_OPTIONS } from '../../../../src/gateway/http/user/server-options.ts';
import { ALPN_PROTOCOLS } from '../../../../src/gateway/http2/http2-options.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FrameClient } from '../../../support/http2-frames.ts';
import { TestAuthority, type KeyPair } from '../../../support/test-authority.ts';
import { dialTls } from '../../../support/tls-client.ts';
import { startGateway, type Gateway, type GatewayOptions } from '../http/http-fixture.ts';

/** The authority of this file's gateways, and what it signed for `app.test` and `*.app.test`. */
const authority = await TestAuthority.create();
const pair = await authority.issue({ dns: ['app.test', 'other.test'] });

/** What clients trust. */
export const CA = authority.pem;

/** A certificate of a user, which gateways here know. */
export const CLIENT = await authority.issue({ dns: ['laptop.test'] });

export interface Http2Gateway extends Gateway {
  readonly server: Server;
}

/** A gateway whose `port` speaks HTTP/2 and HTTP/1.1 over TLS. */
export async function startHttp2Gateway(options: GatewayOptions): Promise<Http2Gateway> {
  const server = createServer({
    ...HTTP_SERVER_OPTIONS,
    ...pair,
    ALPNProtocols: ALPN_PROTOCOLS,
    // As where users may have certificates.
    ca: authority.pem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const gateway = await startGateway({ ...options, server });
  // Before the server waits for its connections: Node does not notice the end of all of them.
  cleanup(() => gateway.handler.close());
  return { ...gateway, server };
}

export interface SessionOptions {
  readonly servername?: string;
  readonly settings?: { readonly initialWindowSize: number };
  /** The user's certificate. */
  readonly client?: KeyPair;
}

/** A session to a gateway; its errors are the test's to look at. */
export async function openSession(
  port: number,
  options: SessionOptions = {},
): Promise<ClientHttp2Session> {
  const { servername = 'app.test', settings, client } = options;
  const session = connect(`https://${servername}:${port}`, {
    host: '127.0.0.1',
    lookup: (_name, lookupOptions, found) => {
      if (lookupOptions.all === true) found(null, [{ address: '127.0.0.1', family: 4 }]);
      else found(null, '127.0.0.1', 4);
    },
    ca: CA,
    servername,
    ...(settings && { settings }),
    ...client,
  });
  session.on('error', () => undefined);
  cleanup(() => session.destroy());
  await once(session, 'connect');
  return session;
}

/** A connection that says just what it is told. */
export async function openFrames(port: number, settings?: Buffer): Promise<FrameClient> {
  const { socket } = dialTls(port, { ca: CA, servername: 'app.test', ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  return new FrameClient(socket, settings);
}

/** The head of an ordinary request to `app.test`. */
export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'app.test'],
  [':path', '/'],
];

/** A request to `app.test`, not ended where it has a body. */
export function begin(
  session: ClientHttp2Session,
  head: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const headers = { ':path': '/', ':authority': 'app.test', ...head };
  const method = String(head[':method'] ?? 'GET');
  const stream = session.request(headers, { endStream: method === 'GET' || method === 'HEAD' });
  stream.on('error', () => undefined);
  return stream;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The head of a response. Rejects where the stream closes without one. */
export async function headOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    stream.once('response', resolve);
    stream.once('close', () => reject(new Error(`closed with code ${stream.rstCode}`)));
  });
}

/** A whole response. Rejects where it breaks off. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const headers = await headOf(stream);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'close');
  if (stream.rstCode !== 0) throw new Error(`broke off with code ${stream.rstCode}`);
  return { status: Number(headers[':status']), headers, body: Buffer.concat(chunks) };
}

/** Asks, and waits for the whole answer. */
export async function ask(
  session: ClientHttp2Session,
  head: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Answer> {
  const stream = begin(session, head);
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}
