/** Opens many connections, proves each with one echoed byte, and then holds them without a word. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

const LANES = 64;

let sockets = [];

async function openOne(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('x');
  await once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
  sockets.push(socket);
}

async function open({ port, count }) {
  let begun = 0;
  const lane = async () => {
    while (begun < count) {
      begun++;
      await openOne(port);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

answerCalls({
  open,
  /** How many of them are still there. */
  held: () => ({ count: sockets.filter((socket) => !socket.destroyed).length }),
  close: async () => {
    const closed = sockets.filter((s) => !s.destroyed).map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.destroy();
    sockets = [];
    await Promise.all(closed);
  },
});
