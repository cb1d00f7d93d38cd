/** Origins that speak WebSocket, for users of either version of HTTP. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { cleanup } from '../../../support/cleanup.ts';
import { rawOrigin } from './http-fixture.ts';

/** An origin that answers each head with what `answer` makes of it, a 101, and then hands out its sockets. */
export async function switchingOrigin(
  answer: (head: string) => string,
): Promise<{ port: number; sockets: Socket[]; heads: string[] }> {
  const sockets: Socket[] = [];
  const heads: string[] = [];
  const port = await rawOrigin((socket) => {
    socket.once('data', (bytes) => {
      const head = bytes.toString('latin1');
      heads.push(head);
      socket.write(answer(head));
      sockets.push(socket);
    });
  });
  return { port, sockets, heads };
}

/** Says each message back. */
export async function echoServer(): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
  cleanup(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
