import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { StopSignals } from '../../../src/cli/stop-signals.ts';
import { cleanup } from '../../support/cleanup.ts';

let stuck = 0;

function listen(): StopSignals {
  const signals = new StopSignals(() => (stuck += 1));
  cleanup(() => signals.release());
  return signals;
}

/** What a promise is settled with by now, or "nothing". */
async function now(promise: Promise<string>): Promise<string> {
  return Promise.race([
    promise,
    new Promise<string>((resolve) => void setImmediate(resolve, 'nothing')),
  ]);
}

function signal(name: NodeJS.Signals): void {
  process.emit(name, name);
}

afterEach(() => {
  jest.useRealTimers();
  stuck = 0;
});

describe('StopSignals', () => {
  it('tells the first signal from the second', async () => {
    const { first, second } = listen();
    expect(await now(first)).toBe('nothing');
    signal('SIGTERM');
    expect(await now(first)).toBe('SIGTERM');
    expect(await now(second)).toBe('nothing');
    signal('SIGINT');
    expect(await now(second)).toBe('nothing');
    signal('SIGTERM');
    expect(await now(second)).toBe('SIGTERM');
  });

  it('takes a SIGINT that comes at once for the same key press, and a later one for another', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { second } = listen();
    signal('SIGINT');
    jest.advanceTimersByTime(99);
    signal('SIGINT');
    expect(await now(second)).toBe('nothing');
    jest.advanceTimersByTime(2);
    signal('SIGINT');
    expect(await now(second)).toBe('SIGINT');
  });

  it('sees to the end after the second signal', () => {
    jest.useFakeTimers();
    listen();
    signal('SIGTERM');
    jest.advanceTimersByTime(10_000);
    expect(stuck).toBe(0);
    signal('SIGTERM');
    jest.advanceTimersByTime(1_999);
    expect(stuck).toBe(0);
    jest.advanceTimersByTime(1);
    expect(stuck).toBe(1);
  });

  it('gives the signals back', () => {
    const before = process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
    const signals = listen();
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(before + 2);
    signals.release();
    signals.release();
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(before);
  });
});
