/**
 * An HTTP proxy for CONNECT, with or without a password, as stands between a connector and its gateway in a company.
 *
 * It records every CONNECT it is asked for and can be told to refuse.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

import { cleanup } from './cleanup.ts';
import { resetSocket } from './real/peer-end.ts';
import { portOf } from './real/port.ts';

export interface HttpProxyOptions {
  /** Asked for with Basic authentication. Default: none, everybody may. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

export interface HttpProxy {
  readonly port: number;
  /** With the credentials in it, as it goes into `HTTPS_PROXY`. */
  readonly url: string;
  /** Without them. */
  readonly urlWithoutCredentials: string;
  /** Every CONNECT so far: where to, and the status it was answered with. */
  readonly requests: readonly { readonly authority: string; readonly status: number }[];
  /** How many tunnels are open. */
  readonly connections: () => number;
  /** Answers with this status from now on, 407 or 503 for example; undefined lets everybody in again. */
  readonly refuse: (status: number | undefined) => void;
  /** Resets every open tunnel. */
  readonly cutAll: () => void;
  readonly stop: () => Promise<void>;
  /** Comes back on the same port after `stop`. */
  readonly start: () => Promise<void>;
}

/** Starts the proxy on a free port of 127.0.0.1. The clean-up stops it. */
export async function startHttpProxy(options: HttpProxyOptions = {}): Promise<HttpProxy> {
  const requests: { authority: string; status: number }[] = [];
  const tunnels = new Set<Socket>();
  let refusal: number | undefined;
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, near: Socket, head: Buffer) => {
    const authority = request.url ?? '';
    near.on('error', () => undefined);
    const status = refusal ?? (isAllowed(request, options) ? 200 : 407);
    requests.push({ authority, status });
    if (status !== 200) return refuseTunnel(near, status);
    tunnels.add(near);
    near.on('close', () => tunnels.delete(near));
    openTunnel(near, head, authority);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = portOf(server);
  const cutAll = (): void => {
    for (const near of tunnels) resetSocket(near);
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    cutAll();
    await closed;
  };
  cleanup(stop);
  const { user, password } = options.credentials ?? {};
  const login =
    user === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? '')}@`;
  return {
    port,
    url: `http://${login}127.0.0.1:${port}`,
    urlWithoutCredentials: `http://127.0.0.1:${port}`,
    requests,
    connections: () => tunnels.size,
    refuse: (status) => {
      refusal = status;
    },
    cutAll,
    stop,
    start: async () => void (await once(server.listen(port, '127.0.0.1'), 'listening')),
  };
}

function isAllowed(request: IncomingMessage, { credentials }: HttpProxyOptions): boolean {
  if (credentials === undefined) return true;
  const { user, password } = credentials;
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return request.headers['proxy-authorization'] === expected;
}

function refuseTunnel(near: Socket, status: number): void {
  const challenge = status === 407 ? 'Proxy-Authenticate: Basic realm="test"\r\n' : '';
  near.end(
    `HTTP/1.1 ${status} Refused\r\n${challenge}Content-Length: 0\r\nConnection: close\r\n\r\n`,
  );
}

function openTunnel(near: Socket, head: Buffer, authority: string): void {
  const { hostname, port } = new URL(`http://${authority}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const far = connect({ host, port: Number(port || 80), allowHalfOpen: true, noDelay: true });
  let isOpen = false;
  near.allowHalfOpen = true;
  far.on('connect', () => {
    isOpen = true;
    near.write('HTTP/1.1 200 Connection established\r\n\r\n');
    far.write(head);
    near.pipe(far).pipe(near);
  });
  far.on('error', () => {
    if (isOpen) resetSocket(near);
    else refuseTunnel(near, 502);
  });
  near.on('error', () => resetSocket(far));
  near.on('close', () => far.destroy());
}
