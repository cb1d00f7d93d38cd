import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { Liveness } from '../../../src/protocol/liveness.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A watch, the PINGs it wants sent, and when it took the peer for dead. */
function watch(): { clock: FakeClock; liveness: Liveness; pings: Buffer[]; deaths: number[] } {
  const clock = new FakeClock();
  const [pings, deaths]: [Buffer[], number[]] = [[], []];
  const begin = clock.now();
  const liveness = new Liveness(clock, {
    onPingDue: (opaque) => void pings.push(opaque),
    onDead: () => void deaths.push(clock.now() - begin),
  });
  liveness.start();
  return { clock, liveness, pings, deaths };
}

describe('Liveness', () => {
  it('pings at once and then every five seconds, each time with other bytes', () => {
    const { clock, liveness, pings } = watch();
    expect(pings).toHaveLength(1);
    for (let seconds = 0; seconds < 20; seconds += 1) {
      clock.run(1_000);
      liveness.heard();
    }
    expect(pings).toHaveLength(5);
    expect(new Set(pings.map((opaque) => opaque.toString('hex'))).size).toBe(5);
  });

  it('takes a silent peer for dead after fifteen seconds, once, and leaves no timer', () => {
    const { clock, deaths } = watch();
    clock.run(LIMITS.deadPeerMs - 1);
    expect(deaths).toEqual([]);
    clock.run(100_000);
    expect(deaths).toEqual([LIMITS.deadPeerMs]);
    expect(clock.pending).toBe(0);
  });

  it('counts the silence from what it heard last, to the millisecond', () => {
    const { clock, liveness, deaths } = watch();
    clock.run(7_321);
    liveness.heard();
    clock.run(100_000);
    expect(deaths).toEqual([7_321 + LIMITS.deadPeerMs]);
  });

  it('a peer that is heard every fourteen seconds lives', () => {
    const { clock, liveness, deaths } = watch();
    for (let i = 0; i < 20; i += 1) {
      clock.run(14_000);
      liveness.heard();
    }
    expect(deaths).toEqual([]);
  });

  it('M14 takes the peer for dead as soon as it runs again after an hour of sleep', () => {
    const { clock, deaths } = watch();
    clock.run(3_000);
    clock.freeze(3_600_000);
    clock.run(0);
    expect(deaths).toEqual([3_603_000]);
    expect(clock.pending).toBe(0);
  });

  it('M14 does not mind a wall clock that jumps', () => {
    const { clock, liveness, deaths } = watch();
    clock.setWall(3_600_000);
    clock.run(10_000);
    liveness.heard();
    clock.setWall(-7_200_000);
    clock.run(10_000);
    expect(deaths).toEqual([]);
  });

  it('a stall shorter than the limit kills nobody', () => {
    const { clock, liveness, deaths } = watch();
    clock.freeze(14_000);
    clock.run(0);
    liveness.heard();
    clock.run(14_000);
    expect(deaths).toEqual([]);
  });

  it('leaves no timer when stopped', () => {
    const { clock, liveness } = watch();
    liveness.stop();
    liveness.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('Liveness: the round trip', () => {
  it('is assumed before the first PONG, and says so', () => {
    const { clock, liveness, pings } = watch();
    expect([liveness.roundTripMs, liveness.isMeasured]).toEqual([100, false]);
    clock.run(30);
    liveness.onPong(pings[0] as Buffer);
    expect([liveness.roundTripMs, liveness.isMeasured]).toEqual([30, true]);
  });

  it('follows later PONGs slowly', () => {
    const { clock, liveness, pings } = watch();
    clock.run(40);
    liveness.onPong(pings[0] as Buffer);
    clock.run(5_000 - 40 + 80);
    liveness.onPong(pings[1] as Buffer);
    expect(liveness.roundTripMs).toBe(0.75 * 40 + 0.25 * 80);
  });

  it('is measured too where an answer takes longer than the time between two PINGs', () => {
    const { clock, liveness, pings } = watch();
    for (let i = 0; i < 6; i += 1) {
      clock.run(i === 0 ? 7_000 : 5_000);
      liveness.heard();
      liveness.onPong(pings[i] as Buffer);
    }
    expect(liveness.roundTripMs).toBe(7_000);
  });

  it('does not mind PONGs that answer nothing, or twice', () => {
    const { clock, liveness, pings } = watch();
    clock.run(20);
    for (const opaque of ['0000000000000000', '0000000000000007', 'ffffffffffffffff']) {
      liveness.onPong(Buffer.from(opaque, 'hex'));
    }
    expect(liveness.isMeasured).toBe(false);
    liveness.onPong(pings[0] as Buffer);
    clock.run(1_000);
    liveness.onPong(pings[0] as Buffer);
    expect(liveness.roundTripMs).toBe(20);
  });

  it('remembers few PINGs of a peer that talks and never answers them', () => {
    const { clock, liveness, pings } = watch();
    for (let i = 0; i < 100; i += 1) {
      clock.run(5_000);
      liveness.heard();
    }
    liveness.onPong(pings[50] as Buffer);
    expect(liveness.isMeasured).toBe(false);
    liveness.onPong(pings.at(-1) as Buffer);
    expect(liveness.isMeasured).toBe(true);
  });
});
