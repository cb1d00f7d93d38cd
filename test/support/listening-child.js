/** Listens on the handle that its parent sends and answers each connection with its process id. For listening-handle.test.ts. */
import { createServer } from 'node:net';

process.once('message', (_message, handle) => {
  const server = createServer((socket) => socket.end(String(process.pid)));
  server.listen(handle, 64, () => process.send({ type: 'listening' }));
});
process.once('disconnect', () => process.exit(0));
