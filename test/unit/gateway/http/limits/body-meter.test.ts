import { describe, expect, it } from '@jest/globals';
import { codeOf, type PosternError } from '../../../../../src/core/error.ts';
import {
  BodyMeter,
  type BodyMeterOptions,
} from '../../../../../src/gateway/http/limits/body-meter.ts';
import { StallWatch } from '../../../../../src/gateway/http/limits/stall-watch.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

function start(changes: Partial<BodyMeterOptions> = {}) {
  const clock = new FakeClock();
  const watch = new StallWatch({
    clock,
    limits: () => ({ sendTimeoutMs: 0 }),
    users: [],
    isIdle: () => false,
  });
  const failures: PosternError[] = [];
  const meter = new BodyMeter({
    watch,
    limits: { bodyTimeoutMs: 60_000, requestTimeoutMs: 0 },
    maxBytes: 10,
    isConversation: false,
    fail: (error) => failures.push(error),
    ...changes,
  });
  return { clock, meter, codes: () => failures.map(codeOf) };
}

describe('BodyMeter', () => {
  it('fails once with the byte that is too many, and not with the last that is allowed', () => {
    const { meter, codes } = start();
    expect([meter.came(4), meter.came(6)]).toEqual([true, true]);
    expect(codes()).toEqual([]);
    expect(meter.came(1)).toBe(false);
    meter.came(1);
    expect(codes()).toEqual(['HTTP_BODY_TOO_LARGE']);
  });

  it('fails where nothing comes while it is waited for, and each byte begins the wait anew', () => {
    const { clock, meter, codes } = start();
    meter.wanted();
    clock.run(59_000);
    meter.came(1);
    clock.run(59_000);
    expect(codes()).toEqual([]);
    clock.run(3_000);
    expect(codes()).toEqual(['HTTP_TIMEOUT']);
    clock.run(120_000);
    expect(codes()).toHaveLength(1);
  });

  it('does not count the time in which the origin reads nothing', () => {
    const { clock, meter, codes } = start();
    meter.wanted();
    clock.run(30_000);
    meter.paused();
    clock.run(3_600_000);
    meter.wanted();
    clock.run(59_000);
    expect(codes()).toEqual([]);
  });

  it.each<[string, (lab: ReturnType<typeof start>) => void]>([
    ['the origin has answered', ({ meter }) => meter.answered()],
    ['all of it has come', ({ meter }) => meter.over()],
  ])('may be silent once %s', (_name, happen) => {
    const lab = start();
    lab.meter.wanted();
    happen(lab);
    lab.clock.run(3_600_000);
    expect(lab.codes()).toEqual([]);
  });

  it('may be silent where both sides talk as they like, but not too large', () => {
    const { clock, meter, codes } = start({ isConversation: true });
    meter.wanted();
    clock.run(3_600_000);
    expect(codes()).toEqual([]);
    meter.came(11);
    expect(codes()).toEqual(['HTTP_BODY_TOO_LARGE']);
  });

  it('fails where the request takes too long, however busy it is', () => {
    const limits = { bodyTimeoutMs: 60_000, requestTimeoutMs: 100_000 };
    const { clock, meter, codes } = start({ limits, maxBytes: Number.POSITIVE_INFINITY });
    meter.wanted();
    for (let at = 0; at < 100; at += 1) {
      clock.run(1_000);
      meter.came(1);
    }
    expect(codes()).toEqual([]);
    clock.run(2_000);
    expect(codes()).toEqual(['HTTP_TIMEOUT']);
  });
});
