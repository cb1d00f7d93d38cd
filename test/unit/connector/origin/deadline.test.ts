import { EventEmitter, getEventListeners, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/core/clock.ts';
import { Deadline, untilAborted } from '../../../../src/connector/origin/deadline.ts';

describe('Deadline', () => {
  it('ends with ORIGIN_TIMEOUT and the message of that moment', async () => {
    let doing = 'starting';
    const parent = new AbortController();
    const deadline = new Deadline(systemClock, 10, parent.signal, () => `Still ${doing}`);
    doing = 'connecting';
    await once(deadline.signal, 'abort');
    expect(deadline.signal.reason).toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: 'Still connecting',
    });
    deadline.release();
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
  });

  it('ends with STREAM_CANCELLED when its parent aborts, before or after it was made', () => {
    const parent = new AbortController();
    const before = new Deadline(systemClock, 60_000, parent.signal, () => '');
    const why = new Error('the user left');
    parent.abort(why);
    const after = new Deadline(systemClock, 60_000, parent.signal, () => '');
    for (const deadline of [before, after]) {
      expect(deadline.signal.reason).toMatchObject({ code: 'STREAM_CANCELLED', cause: why });
      deadline.release();
    }
  });

  it('listens no more once released', () => {
    const parent = new AbortController();
    const deadline = new Deadline(systemClock, 60_000, parent.signal, () => '');
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1);
    deadline.release();
    deadline.release();
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
    parent.abort();
    expect(deadline.signal.aborted).toBe(false);
  });
});

describe('untilAborted()', () => {
  it('settles as the work does, and listens no more', async () => {
    const { signal } = new AbortController();
    const failure = new Error('failed');
    await expect(untilAborted(Promise.resolve(1), signal)).resolves.toBe(1);
    await expect(untilAborted(Promise.reject(failure), signal)).rejects.toBe(failure);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('rejects with the reason at once, also where the work fails later', async () => {
    const abort = new AbortController();
    const late = new AbortController();
    const work = once(new EventEmitter(), 'never', { signal: late.signal });
    const waiting = untilAborted(work, abort.signal);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(untilAborted(work, abort.signal)).rejects.toBe(reason);
    late.abort();
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });
});
