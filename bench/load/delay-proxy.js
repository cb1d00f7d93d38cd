/**
 * A long path: forwards TCP and hands every byte on `delayMs` later than it came, each way.
 *
 * It takes what it is given at once, as a path with room in flight does, up to HELD_BYTES; beyond that it stops reading. So the only
 * windows that limit a transfer are those of the program under test. It is no model of loss or of TCP's slow start on a real path.
 */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { answerCalls } from './answer-calls.js';

/** Most bytes in flight, per connection and direction: 27 Gbit/s at 75 ms. */
const HELD_BYTES = 256 * 2 ** 20;

function forwardLate(from, to, delayMs) {
  const flight = []; // What is on its way: { chunk, dueAt }, oldest first; chunk undefined is the end.
  let heldBytes = 0;
  let timer;

  const land = (bytes) => {
    heldBytes -= bytes;
    if (from.isPaused() && heldBytes < HELD_BYTES / 2) from.resume();
  };

  const deliver = () => {
    timer = undefined;
    const now = performance.now();
    let delivered = 0;
    to.cork();
    while (delivered < flight.length && flight[delivered].dueAt <= now) {
      const { chunk } = flight[delivered++];
      if (chunk === undefined) to.end();
      else to.write(chunk, () => land(chunk.length));
    }
    to.uncork();
    flight.splice(0, delivered);
    if (flight.length > 0) timer = setTimeout(deliver, Math.max(1, flight[0].dueAt - now));
  };

  const launch = (chunk) => {
    flight.push({ chunk, dueAt: performance.now() + delayMs });
    timer ??= setTimeout(deliver, delayMs);
  };

  from.on('data', (chunk) => {
    heldBytes += chunk.length;
    launch(chunk);
    if (heldBytes > HELD_BYTES) from.pause();
  });
  from.on('end', () => launch(undefined));
  from.on('error', () => to.destroy());
  from.on('close', () => {
    if (!from.readableEnded) to.destroy();
  });
  to.on('close', () => clearTimeout(timer));
}

async function listen(target, delayMs) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    forwardLate(near, far, delayMs);
    forwardLate(far, near, delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

answerCalls({
  forward: async ({ target, delayMs }) => ({ port: await listen(target, delayMs) }),
});
