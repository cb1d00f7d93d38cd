/**
 * An HTTP origin that answers each request with what it saw of it: name, version, fields, how the body came. Also HTTP/2, by
 * agreement over TLS and in plain text, and WebSockets, whose first message is the same. Requests for `/together/N` are
 * answered when there are N of them.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import {
  createSecureServer,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

import { WebSocketServer } from 'ws';

import { cleanup } from '../cleanup.ts';
import { portOf } from './port.ts';

/** What was seen of a request. */
export interface Told {
  readonly version: string;
  readonly method: string;
  readonly url: string;
  readonly host: string;
  /** The name that TLS was asked for; null without TLS. */
  readonly sni: string | null;
  readonly length: string | null;
  readonly encoding: string | null;
  readonly body: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TellingOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Speaks HTTP/2 only, without TLS. */
  readonly h2c?: boolean;
  /** Default: a free one. */
  readonly port?: number;
  /** A Unix socket in place of a port. */
  readonly path?: string;
}

export interface TellingOrigin {
  /** 0 on a Unix socket. */
  readonly port: number;
  /** Connections that are open. */
  readonly connections: () => number;
}

/** Starts it on 127.0.0.1 or a Unix socket. The clean-up stops it. */
export async function startTellingOrigin(options: TellingOptions = {}): Promise<TellingOrigin> {
  const { tls, h2c = false, path, port = 0 } = options;
  const server = serverFor(tls, h2c);
  const open = new Set<Duplex>();
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Duplex) => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
  });
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.send(JSON.stringify(told(request, '')));
    });
  });
  await once(
    path === undefined ? server.listen(port, '127.0.0.1') : server.listen(path),
    'listening',
  );
  cleanup(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { port: path === undefined ? portOf(server) : 0, connections: () => open.size };
}

function serverFor(tls: TellingOptions['tls'], h2c: boolean): Server {
  const waiting: (() => void)[] = [];
  const answer = (request: IncomingMessage | Http2ServerRequest, response: Answering): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      waiting.push(() => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(told(request, Buffer.concat(chunks).toString())));
      });
      const wanted = /^\/together\/(\d+)$/.exec(request.url ?? '')?.[1] ?? 1;
      if (waiting.length >= Number(wanted)) for (const send of waiting.splice(0)) send();
    });
  };
  if (tls !== undefined) return createSecureServer({ ...tls, allowHTTP1: true }, answer);
  return h2c ? createHttp2Server(answer) : createHttpServer(answer);
}

type Answering = Pick<Http2ServerResponse, 'setHeader'> & { end(body: string): unknown };

function told(request: IncomingMessage | Http2ServerRequest, body: string): Told {
  const { httpVersion: version, method = '', url = '', headers, socket } = request;
  const authority: unknown = Reflect.get(headers, ':authority');
  return {
    version,
    method,
    url,
    host: headers.host ?? (typeof authority === 'string' ? authority : ''),
    sni: socket instanceof TLSSocket ? String(Reflect.get(socket, 'servername')) : null,
    length: headers['content-length'] ?? null,
    encoding: headers['transfer-encoding'] ?? null,
    body,
    fields: headers,
  };
}
