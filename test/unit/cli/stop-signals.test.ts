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

describe('StopSignals of a process with a parent', () => {
  function listenAsChild(): StopSignals {
    const signals = new StopSignals(() => (stuck += 1), { hasParent: true });
    cleanup(() => signals.release());
    return signals;
  }

  it('leaves Ctrl-C to the parent, until that lets go', async () => {
    const signals = listenAsChild();
    signal('SIGINT');
    expect(await now(signals.first)).toBe('nothing');
    signals.hasParent = false;
    signal('SIGINT');
    expect(await now(signals.first)).toBe('SIGINT');
  });

  it('takes the word of the parent for a signal', async () => {
    const signals = listenAsChild();
    signals.drain('the parent');
    expect(await now(signals.first)).toBe('the parent');
    // Once more is not more.
    signals.drain('the parent');
    expect(await now(signals.second)).toBe('nothing');
    signals.stop('the parent again');
    expect(await now(signals.second)).toBe('the parent again');
  });

  it('is at once where the parent says so first', async () => {
    const signals = listenAsChild();
    signals.stop('the parent');
    expect(await now(signals.first)).toBe('the parent');
    expect(await now(signals.second)).toBe('the parent');
  });

  it('takes a signal to the whole group and the word of the parent for one request, whichever comes first', async () => {
    const before = listenAsChild();
    signal('SIGTERM');
    before.drain('the parent');
    expect(await now(before.second)).toBe('nothing');
    before.release();
    const after = listenAsChild();
    after.drain('the parent');
    signal('SIGTERM');
    expect(await now(after.second)).toBe('nothing');
  });
});
