/** Opens many WebSockets over TLS, proves each with one message said back, and then holds them without a word. */
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { answerCalls } from './answer-calls.js';

/** Opened at once. */
const LANES = 32;

let sockets = [];

async function openOne(url, ca) {
  const socket = new WebSocket(url, { ca, perMessageDeflate: false });
  socket.on('error', () => undefined);
  const deadline = AbortSignal.timeout(20_000);
  await once(socket, 'open', { signal: deadline });
  socket.send('x');
  await once(socket, 'message', { signal: deadline });
  sockets.push(socket);
}

async function open({ url, caFile, count }) {
  const ca = readFileSync(caFile);
  let begun = 0;
  const lane = async () => {
    while (begun < count) {
      begun++;
      await openOne(url, ca);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

const isOpen = (socket) => socket.readyState === WebSocket.OPEN;

answerCalls({
  open,
  /** How many of them are still there. */
  held: () => ({ count: sockets.filter(isOpen).length }),
  close: async () => {
    const closed = sockets.filter(isOpen).map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.terminate();
    sockets = [];
    await Promise.all(closed);
  },
});
