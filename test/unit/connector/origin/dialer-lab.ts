/** What the tests of OriginDialer share: dialers, and origins that echo. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import {
  OriginDialer,
  type OriginDialerOptions,
} from '../../../../src/connector/origin/origin-dialer.ts';
import type { Lookup } from '../../../../src/connector/origin/origin-resolver.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { listen } from './deaf-server.ts';

/** A dial that nobody gives up. */
export const forever: AbortSignal = new AbortController().signal;
/** Who asks, where it does not matter. */
export const request = { hostname: 'app.example.com' };

/** A dialer that is closed when the test is over. */
export function aDialer(options: Partial<OriginDialerOptions> = {}): OriginDialer {
  const dialer = new OriginDialer({ identity: { tunnel: 'office', replica: 'r1' }, ...options });
  cleanup(() => dialer.close());
  return dialer;
}

/** Echoes until the client ends, then says goodbye. */
export async function startEcho(
  where: Parameters<typeof listen>[1] = {},
): Promise<{ port: number; accepted: number }> {
  const echo = { port: 0, accepted: 0 };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    echo.accepted += 1;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    socket.on('end', () => socket.end(' bye'));
  });
  echo.port = await listen(server, where);
  return echo;
}

/** All that comes back after `text` was sent and our side was ended. */
export async function talk(socket: Duplex, text: string): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(text);
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

/** A TLS server that says nothing. */
export async function startTls(identity: { cert: string; key: string }): Promise<number> {
  return listen(createTlsServer(identity, (socket) => void socket.on('error', () => undefined)));
}

/** A resolver that always gives the same answer. */
export function answering(...addresses: readonly string[]): Lookup {
  return () => Promise.resolve(addresses.map((address) => ({ address })));
}
