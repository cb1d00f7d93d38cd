/**
 * The plainest proxy Node can be: `pipe` both ways, no protocol, no encryption. What Node itself costs.
 */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

async function listen(target) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (user) => {
    const origin = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    user.on('error', () => origin.destroy()).on('close', () => origin.destroy());
    origin.on('error', () => user.destroy()).on('close', () => user.destroy());
    user.pipe(origin).pipe(user);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return server.address().port;
}

answerCalls({ forward: async ({ target }) => ({ port: await listen(target) }) });
