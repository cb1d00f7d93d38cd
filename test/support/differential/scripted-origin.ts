/**
 * An origin that answers each request with the bytes that its case says, and keeps what it was sent.
 *
 * Cases are told apart by an `X-Case` field. Connections are kept, so that a proxy may use them again.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

import { cleanup } from '../cleanup.ts';
import { read, valuesIn, type Message } from './message.ts';

export interface Answer {
  readonly bytes: string;
  /** The connection ends behind it. */
  readonly endsConnection: boolean;
}

export interface ScriptedOrigin {
  readonly port: number;
  /** What reached it, by case. */
  readonly seen: Map<string, Message[]>;
  /** What it answers, by case. */
  readonly answers: Map<string, Answer>;
}

const UNKNOWN: Answer = {
  bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  endsConnection: false,
};

/** Starts it, for the file. */
export async function startScriptedOrigin(): Promise<ScriptedOrigin> {
  const seen = new Map<string, Message[]>();
  const answers = new Map<string, Answer>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let text = '';
    let isAsked = false;
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let one = read(text, { kind: 'request' }); one !== undefined;) {
        text = text.slice(one.length);
        const name = valuesIn(one.message.fields, 'x-case').join();
        seen.set(name, [...(seen.get(name) ?? []), one.message]);
        const { bytes: answer, endsConnection } = answers.get(name) ?? UNKNOWN;
        if (endsConnection) socket.end(answer, 'latin1');
        else socket.write(answer, 'latin1');
        isAsked = false;
        one = read(text, { kind: 'request' });
      }
      if (!isAsked && /\r\nexpect: 100-continue\r\n[^]*\r\n\r\n/i.test(text)) {
        isAsked = true;
        socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, seen, answers };
}
