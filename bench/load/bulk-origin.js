/**
 * The far end of bulk transfers: one port that sends without end to whoever connects, one that swallows and counts.
 *
 * Chunks are 1 MiB: measured, 64 KiB halves what this process can move and so hides the peer behind it.
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

const CHUNK = Buffer.alloc(2 ** 20, 'x');

let receivedBytes = 0;

const source = createServer({ noDelay: true }, (socket) => {
  const fill = () => {
    while (socket.writable && socket.write(CHUNK));
  };
  socket.on('drain', fill).on('error', () => undefined);
  socket.resume();
  fill();
});

const sink = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk) => (receivedBytes += chunk.length)).on('error', () => undefined);
});

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

answerCalls({
  listen: async () => ({ download: await listen(source), upload: await listen(sink) }),
  received: () => ({ bytes: receivedBytes, atMs: performance.now() }),
});
