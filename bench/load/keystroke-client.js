/**
 * Types: sends as many bytes as an SSH keystroke has on the wire, waits for them to come back, and again after a pause.
 * Returns every round-trip time, in milliseconds.
 */
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { answerCalls } from './answer-calls.js';

async function type({ port, bytes, pauseMs, seconds }) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const key = Buffer.alloc(bytes, 'k');
  const times = [];
  const end = performance.now() + seconds * 1000;
  try {
    while (performance.now() < end) {
      const sent = performance.now();
      socket.write(key);
      for (let left = bytes; left > 0;) {
        const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
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

answerCalls({ type });
