/**
 * Types: sends as many bytes as an SSH keystroke has on the wire, waits for them to come back, and again after a pause; for some
 * seconds, or from `start` to `stop`. Returns every round-trip time, in milliseconds.
 */
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { answerCalls } from './answer-calls.js';

let typing;
/** When the typing ends, as performance.now() counts. */
let end = 0;

async function type({ port, bytes, pauseMs, seconds, patienceMs = 10_000 }) {
  end = performance.now() + seconds * 1000;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const key = Buffer.alloc(bytes, 'k');
  const times = [];
  try {
    while (performance.now() < end) {
      const sent = performance.now();
      socket.write(key);
      for (let left = bytes; left > 0;) {
        const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(patienceMs) });
        left -= chunk.length;
      }
      times.push(performance.now() - sent);
      await delay(pauseMs);
    }
  } finally {
    socket.destroy();
  }
  return { timesMs: times };
}

function start(how) {
  typing = type({ ...how, seconds: Infinity });
  typing.catch(() => undefined); // `stop` tells.
}

async function stop() {
  end = 0;
  return typing;
}

answerCalls({ type, start, stop });
