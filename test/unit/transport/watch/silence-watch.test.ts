import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { watchSilence } from '../../../../src/transport/watch/silence-watch.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function start() {
  const clock = new FakeClock();
  const link = { unacked: { usedBytes: 0 }, silentMs: 0 };
  const watched: { link: typeof link | undefined } = { link };
  let asked = 0;
  const watch = watchSilence(clock, {
    link: () => watched.link,
    onSilence: () => (asked += 1),
  });
  return { clock, link, watched, asked: () => asked, watch };
}

describe('watchSilence()', () => {
  it('asks when something was sent and nothing comes back', () => {
    const { clock, link, asked } = start();
    link.unacked.usedBytes = 1;
    link.silentMs = LIMITS.silenceMs - 1;
    clock.run(1_000);
    expect(asked()).toBe(0);
    link.silentMs = LIMITS.silenceMs;
    clock.run(1_000);
    expect(asked()).toBe(1);
  });

  it('leaves a link alone on which nobody waits, and one that answers', () => {
    const { clock, link, asked } = start();
    link.silentMs = 14_000;
    clock.run(10_000);
    Object.assign(link, { unacked: { usedBytes: 1_000 }, silentMs: 500 });
    clock.run(10_000);
    expect(asked()).toBe(0);
  });

  it('waits for a link where there is none, and stops when it is cancelled', () => {
    const { clock, link, watched, asked, watch } = start();
    watched.link = undefined;
    clock.run(5_000);
    watched.link = Object.assign(link, { unacked: { usedBytes: 1 }, silentMs: 9_000 });
    clock.run(1_000);
    expect(asked()).toBe(1);
    watch.cancel();
    clock.run(5_000);
    expect([asked(), clock.pending]).toEqual([1, 0]);
  });
});
