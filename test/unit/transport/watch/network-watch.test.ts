import { describe, expect, it } from '@jest/globals';

import { plainAddress, watchNetwork } from '../../../../src/transport/watch/network-watch.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const WIFI = '192.168.1.20';
const CABLE = '10.0.0.7';
const LOOPBACK = '127.0.0.1';

/** A watch over addresses that the test changes; what it told, as the addresses that are gone. */
function start(...first: string[]) {
  const clock = new FakeClock();
  const machine = { addresses: first, isUnreadable: false };
  const told: string[][] = [];
  const watch = watchNetwork(clock, ({ gone }) => void told.push([...gone]), {
    addresses: () => {
      if (machine.isUnreadable) throw new Error('EACCES');
      return machine.addresses;
    },
  });
  return { clock, machine, told, watch };
}

describe('watchNetwork()', () => {
  it('stays quiet while the addresses stay the same, in whatever order', () => {
    const { clock, machine, told } = start(LOOPBACK, WIFI);
    clock.run(3_600_000);
    machine.addresses = [WIFI, LOOPBACK];
    clock.run(10_000);
    expect(told).toEqual([]);
  });

  it.each([
    ['an address that is gone', [LOOPBACK, WIFI], [LOOPBACK], [WIFI]],
    ['another one in its place', [LOOPBACK, WIFI], [LOOPBACK, CABLE], [WIFI]],
    ['one more', [LOOPBACK, WIFI], [LOOPBACK, WIFI, CABLE], []],
    ['the first', [LOOPBACK], [LOOPBACK, WIFI], []],
  ])('tells of %s, once and within a second', (_what, before, after, gone) => {
    const { clock, machine, told } = start(...before);
    clock.run(5_000);
    machine.addresses = after;
    clock.run(1_000);
    expect(told).toEqual([gone]);
    clock.run(60_000);
    expect(told).toHaveLength(1);
  });

  it('takes no news for good news where addresses cannot be read', () => {
    const { clock, machine, told } = start(WIFI);
    machine.isUnreadable = true;
    clock.run(5_000);
    machine.isUnreadable = false;
    machine.addresses = [CABLE];
    clock.run(1_000);
    expect(told).toEqual([[WIFI]]);
  });

  it('begins with the first addresses that it can read', () => {
    const { clock, machine, told } = start(WIFI);
    const late = { addresses: [] as string[], isUnreadable: true };
    watchNetwork(clock, ({ gone }) => void told.push([...gone]), {
      addresses: () => {
        if (late.isUnreadable) throw new Error('EACCES');
        return late.addresses;
      },
    });
    clock.run(2_000);
    late.isUnreadable = false;
    late.addresses = [CABLE];
    clock.run(2_000);
    expect([machine.addresses, told]).toEqual([[WIFI], []]);
  });

  it('leaves no timer when it is cancelled, also from inside its callback', () => {
    const { clock, watch } = start(WIFI);
    watch.cancel();
    expect(clock.pending).toBe(0);
    let addresses = [WIFI];
    const second = watchNetwork(clock, () => second.cancel(), { addresses: () => addresses });
    addresses = [CABLE];
    clock.run(1_000);
    expect(clock.pending).toBe(0);
  });
});

describe('plainAddress()', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::ffff:1', '2001:db8::ffff:1'],
  ])('%s is %s', (written, plain) => {
    expect(plainAddress(written)).toBe(plain);
  });
});
