import { beforeEach, describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { Arrivals } from '../../../../src/gateway/routing/arrivals.ts';
import { RouteTable } from '../../../../src/gateway/routing/route-table.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { settle } from '../../protocol/turns.ts';

const NO_REPLICA = new PosternError('ROUTE_NO_REPLICA', 'none is connected');
const HOSTNAME = 'app.postern.test';

let clock: FakeClock;
let arrivals: Arrivals;
let told: string[];

function make(most?: number, mostOfTunnel?: number): Arrivals {
  const routes = new RouteTable();
  const route = { tunnelId: 't', tunnelName: 'n', createdAt: 0 };
  routes.load([
    { ...route, hostname: HOSTNAME },
    { ...route, hostname: 'other.postern.test', tunnelId: 'u' },
  ]);
  const made = new Arrivals({
    clock,
    routes,
    ...(most !== undefined && { most }),
    ...(mostOfTunnel !== undefined && { mostOfTunnel }),
  });
  made.open();
  return made;
}

const wait = (name: string, hostname = HOSTNAME, error: Error = NO_REPLICA) =>
  arrivals.wait(error, hostname, () => void told.push(name));

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  arrivals = make();
});

describe('wait()', () => {
  it('calls once when a connector of the tunnel comes', async () => {
    wait('a');
    wait('b');
    wait('c', 'other.postern.test');
    expect(arrivals.count).toBe(3);
    arrivals.arrived('t');
    arrivals.arrived('t');
    expect(arrivals.count).toBe(1);
    await settle();
    expect(told).toEqual(['a', 'b']);
  });

  it(`calls when nobody came within ${LIMITS.arrivalMs / 1000} s of the start`, async () => {
    clock.run(4_000);
    wait('a');
    clock.run(LIMITS.arrivalMs - 4_001);
    await settle();
    expect(told).toEqual([]);
    clock.run(1);
    await settle();
    expect([told, arrivals.isOpen, arrivals.count]).toEqual([['a'], false, 0]);
  });

  it('calls later while connectors keep coming, and not for ever', async () => {
    clock.run(LIMITS.arrivalMs - 1);
    wait('a');
    for (let ms = LIMITS.arrivalMs; ms < LIMITS.arrivalMostMs; ms += LIMITS.arrivalGapMs - 500) {
      arrivals.joined('u');
      clock.run(LIMITS.arrivalGapMs - 500);
      // oxlint-disable-next-line no-await-in-loop
      await settle();
      expect(arrivals.isOpen).toBe(ms + LIMITS.arrivalGapMs - 501 < LIMITS.arrivalMostMs);
    }
    expect(told).toEqual(['a']);
    arrivals.joined('u');
    expect(arrivals.isOpen).toBe(false);
  });

  it('does not call sooner because one came early', () => {
    arrivals.joined('u');
    clock.run(LIMITS.arrivalMs - 1);
    expect(arrivals.isOpen).toBe(true);
    clock.run(1);
    expect(arrivals.isOpen).toBe(false);
  });

  it('has nothing to wait for once that time is over, until it begins anew', () => {
    clock.run(LIMITS.arrivalMs);
    expect(wait('a')).toBeUndefined();
    arrivals.open();
    expect(wait('a')).toBeDefined();
  });

  it('waits for a rule, and not for what no connector can mend', () => {
    expect(wait('a', HOSTNAME, new PosternError('ROUTE_NO_RULE', 'no rule'))).toBeDefined();
    expect(wait('b', HOSTNAME, new PosternError('ACCESS_DENIED', 'no'))).toBeUndefined();
    expect(wait('c', HOSTNAME, new Error('a bug'))).toBeUndefined();
    expect(wait('d', 'unrouted.postern.test')).toBeUndefined();
  });

  it('does not call whoever was released, also between the arrival and the call', async () => {
    const [early, late] = [wait('early'), wait('late')];
    early?.release();
    early?.release();
    expect(arrivals.count).toBe(1);
    arrivals.arrived('t');
    late?.release();
    await settle();
    late?.release();
    expect([told, arrivals.count]).toEqual([[], 0]);
  });

  it('lets the same one wait again when it is called', async () => {
    const again = (): void => {
      told.push('called');
      arrivals.wait(NO_REPLICA, HOSTNAME, again);
    };
    arrivals.wait(NO_REPLICA, HOSTNAME, again);
    arrivals.arrived('t');
    await settle();
    expect([told, arrivals.count]).toEqual([['called'], 1]);
    clock.run(LIMITS.arrivalMs);
    await settle();
    expect([told, arrivals.count]).toEqual([['called', 'called'], 0]);
  });

  it('lets a bounded number wait', () => {
    arrivals = make(2);
    const first = wait('a');
    wait('b');
    expect(wait('c')).toBeUndefined();
    first?.release();
    expect(wait('c')).toBeDefined();
    expect(LIMITS.arrivalsAwaited).toBe(10_000);
  });
});

describe('brokeOff()', () => {
  beforeEach(() => {
    clock.run(LIMITS.arrivalMs);
  });

  it('has whatever comes for that tunnel wait, until its connector is back', async () => {
    arrivals.brokeOff('t');
    expect([arrivals.expects('t'), arrivals.expects('u'), arrivals.isOpen]).toEqual([
      true,
      false,
      false,
    ]);
    wait('a');
    expect(wait('b', 'other.postern.test')).toBeUndefined();
    arrivals.joined('t');
    await settle();
    expect([told, arrivals.expects('t'), wait('c')]).toEqual([['a'], false, undefined]);
  });

  it(`expects it for ${LIMITS.returnMs / 1000} s, and anew each time it breaks off`, async () => {
    arrivals.brokeOff('t');
    wait('a');
    clock.run(LIMITS.returnMs - 1);
    arrivals.brokeOff('t');
    clock.run(LIMITS.returnMs - 1);
    await settle();
    expect(told).toEqual([]);
    clock.run(1);
    await settle();
    expect([told, arrivals.count, arrivals.expects('t')]).toEqual([['a'], 0, false]);
  });

  it('does not wait for a rule: whoever is still there says that there is none', () => {
    arrivals.brokeOff('t');
    expect(wait('a', HOSTNAME, new PosternError('ROUTE_NO_RULE', 'no rule'))).toBeUndefined();
  });

  it('is taken back when the tunnel is no more', async () => {
    arrivals.brokeOff('t');
    wait('a');
    arrivals.gone('t');
    await settle();
    expect([told, arrivals.expects('t')]).toEqual([['a'], false]);
  });

  it('goes on when the time after the start is over meanwhile', async () => {
    arrivals.open();
    clock.run(LIMITS.arrivalMs - 1);
    arrivals.brokeOff('t');
    wait('a');
    wait('b', 'other.postern.test');
    clock.run(1);
    await settle();
    expect(told).toEqual(['b']);
    clock.run(LIMITS.returnMs);
    await settle();
    expect(told).toEqual(['b', 'a']);
  });

  it('lets a bounded number wait for one tunnel', () => {
    arrivals = make(10, 2);
    clock.run(LIMITS.arrivalMs);
    arrivals.brokeOff('t');
    arrivals.brokeOff('u');
    expect([wait('a'), wait('b')]).toEqual([expect.anything(), expect.anything()]);
    expect(wait('c')).toBeUndefined();
    expect(wait('d', 'other.postern.test')).toBeDefined();
    expect(LIMITS.returnsAwaited).toBe(1_000);
  });

  it('remembers a bounded number of tunnels, those that broke off last', () => {
    for (let n = 0; n <= LIMITS.returningTunnels; n += 1) arrivals.brokeOff(`tunnel ${n}`);
    expect([arrivals.expects('tunnel 0'), arrivals.expects('tunnel 1')]).toEqual([false, true]);
  });

  it('has nobody wait once it is closed', async () => {
    arrivals.brokeOff('t');
    wait('a');
    arrivals.close();
    await settle();
    expect([told, arrivals.expects('t')]).toEqual([['a'], false]);
  });
});
