import { beforeEach, describe, expect, it } from '@jest/globals';
import { PacedHandOver } from '../../../src/cli/paced-hand-over.ts';
import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { withResolvers, type Resolvers } from '../../../src/core/with-resolvers.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const PAUSE = LIMITS.handOverPauseMs;

let clock: FakeClock;
let attempts: Resolvers<void>[];
let failures: unknown[];
let busy: unknown[];
let paced: PacedHandOver;

beforeEach(() => {
  clock = new FakeClock();
  attempts = [];
  failures = [];
  busy = [];
  paced = new PacedHandOver({
    clock,
    handOver: async () => {
      const attempt = withResolvers<void>();
      attempts.push(attempt);
      return attempt.promise;
    },
    onBusy: (error) => void busy.push(error),
    onFailed: (error) => void failures.push(error),
  });
});

/** Ends the last attempt, with an error where one is given. */
async function end(error?: Error): Promise<void> {
  const attempt = attempts.at(-1);
  if (error === undefined) attempt?.resolve();
  else attempt?.reject(error);
  // What waits for it goes on in the turns that follow.
  await new Promise(setImmediate);
}

describe('PacedHandOver', () => {
  it('pauses before the first attempt, and makes one for all that is wanted meanwhile', () => {
    for (let times = 0; times < 10; times += 1) paced.want();
    clock.run(PAUSE - 1);
    expect(attempts).toHaveLength(0);
    clock.run(1);
    expect(attempts).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it('begins at once where the last attempt is long ago', () => {
    clock.run(PAUSE);
    paced.want();
    clock.run(0);
    expect(attempts).toHaveLength(1);
  });

  it('tells of an attempt that failed, and does not repeat it', async () => {
    paced.want();
    clock.run(PAUSE);
    const error = new PosternError('CONFIG_PORT_IN_USE', 'Cannot listen');
    await end(error);
    expect(failures).toEqual([error]);
    expect(clock.pending).toBe(0);
    paced.want();
    clock.run(PAUSE);
    expect(attempts).toHaveLength(2);
  });

  it('makes one more, after a pause, for what is wanted while an attempt is under way', async () => {
    paced.want();
    clock.run(PAUSE);
    for (let times = 0; times < 10; times += 1) paced.want();
    expect(attempts).toHaveLength(1);
    await end(new Error('too old to matter'));
    expect(failures).toEqual([]);
    clock.run(PAUSE - 1);
    expect(attempts).toHaveLength(1);
    clock.run(1);
    expect(attempts).toHaveLength(2);
    await end();
    expect(clock.pending).toBe(0);
  });

  it('asks again, after a pause, when it was not even tried', async () => {
    paced.want();
    clock.run(PAUSE);
    await end(new PosternError('RELOAD_BUSY', 'Cannot reload: another one'));
    expect([busy.length, failures.length]).toEqual([1, 0]);
    clock.run(PAUSE);
    expect(attempts).toHaveLength(2);
  });

  it('makes none that is no longer wanted, and tells of none', async () => {
    paced.want();
    paced.drop();
    clock.run(PAUSE);
    expect(attempts).toHaveLength(0);
    paced.want();
    clock.run(0);
    paced.drop();
    await end(new PosternError('RELOAD_BUSY', 'Cannot reload: another one'));
    expect([busy, failures]).toEqual([[], []]);
    expect(clock.pending).toBe(0);
  });
});
