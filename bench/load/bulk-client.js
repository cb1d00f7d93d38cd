/**
 * The near end of bulk transfers: connects to a peer's port and reads as fast as it can, or writes as fast as it can.
 * Reads go into one reused buffer per connection, so that collecting garbage does not become the measurement.
 */
import { connect } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

const CHUNK = Buffer.alloc(2 ** 20, 'x');

let sockets = [];
let receivedBytes = 0;
let failure;

function onRead(bytes) {
  receivedBytes += bytes;
  return true;
}

function read(port) {
  const onread = { buffer: Buffer.alloc(2 ** 20), callback: onRead };
  return connect({ port, host: '127.0.0.1', onread });
}

function write(port) {
  const socket = connect({ port, host: '127.0.0.1' });
  const fill = () => {
    while (socket.writable && socket.write(CHUNK));
  };
  return socket.on('connect', fill).on('drain', fill);
}

function stop() {
  for (const socket of sockets) socket.destroy();
  sockets = [];
}

async function start({ direction, port, connections }) {
  stop();
  failure = undefined;
  const open = direction === 'download' ? read : write;
  sockets = Array.from({ length: connections }, () => open(port));
  for (const socket of sockets) {
    socket.on('error', (error) => (failure ??= error.message));
    socket.on('close', () => (failure ??= 'the connection was closed'));
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
}

answerCalls({
  start,
  received: () => ({ bytes: receivedBytes, atMs: performance.now() }),
  /** Ends the transfer. Rejects when a connection ended before. */
  stop: () => {
    const ended = failure;
    stop();
    if (ended !== undefined) throw new Error(`a transfer ended early: ${ended}`);
  },
});
