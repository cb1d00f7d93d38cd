/**
 * Makes connections: opens one, sends a byte, waits for it to come back, closes, and again, on several lanes at once.
 * Bounded both in time and in number.
 */
import { connect } from 'node:net';
import { answerCalls } from './answer-calls.js';

const TIMEOUT_MS = 5_000;

/** Resolves once the whole exchange is over and both sides have closed. */
function exchange(port) {
  return new Promise((resolve, reject) => {
    let hasAnswer = false;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in 5 s')));
    socket.on('connect', () => socket.write('x'));
    socket.on('data', () => {
      hasAnswer = true;
      socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () =>
      hasAnswer ? resolve() : reject(new Error('closed before the byte came back')),
    );
  });
}

async function run({ port, lanes, seconds, limit }) {
  const started = performance.now();
  const end = started + seconds * 1000;
  let begun = 0;
  let done = 0;
  const lane = async () => {
    while (performance.now() < end && begun < limit) {
      begun++;
      await exchange(port);
      done++;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { connections: done, seconds: (performance.now() - started) / 1000 };
}

answerCalls({ run });
