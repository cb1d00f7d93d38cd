/** Sends back what it receives, on one port, and closes when the other side does. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk) => socket.write(chunk)).on('error', () => undefined);
});

answerCalls({
  listen: async () => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    return { echo: server.address().port };
  },
});
