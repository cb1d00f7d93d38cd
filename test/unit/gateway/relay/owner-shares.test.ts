/** What one user may take of a gateway that relays for many. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { OwnerShares } from '../../../../src/gateway/relay/owner-shares.ts';
import { ByteBudget } from '../../../../src/protocol/byte-budget.ts';
import { encodeJson } from '../../../../src/protocol/frame.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { openMessage, REQUEST } from '../../protocol/raw-peer.ts';
import { settle } from '../../protocol/turns.ts';
import { HOSTNAME, RelayLab, type Stranger } from './relay-lab.ts';

function shares(bytes?: number): {
  shares: OwnerShares<object>;
  all: ByteBudget;
  clock: FakeClock;
} {
  const clock = new FakeClock();
  const all = new ByteBudget(LIMITS.relayBytes);
  return { shares: new OwnerShares(clock, all, bytes), all, clock };
}

describe('OwnerShares', () => {
  it('lets nobody take what is for all', () => {
    const { shares: lab, all } = shares();
    const mallory = lab.of('mallory').budget;
    expect(mallory.tryTake(LIMITS.relayBytesPerOwner)).toBe(true);
    expect(mallory.tryTake(1)).toBe(false);
    expect(all.usedBytes).toBe(LIMITS.relayBytesPerOwner);
    expect(lab.of('alice').budget.tryTake(LIMITS.relayBytesPerOwner)).toBe(true);
    mallory.give(LIMITS.relayBytesPerOwner);
    expect(all.usedBytes).toBe(LIMITS.relayBytesPerOwner);
  });

  it('gives no more than there is for all', () => {
    const { shares: lab, all } = shares();
    all.take(LIMITS.relayBytes - 1);
    const alice = lab.of('alice').budget;
    expect([alice.tryTake(2), alice.usedBytes, alice.tryTake(1)]).toEqual([false, 0, true]);
  });

  it('counts OPENs of all links of a user together, and not those of others', () => {
    const { shares: lab, clock } = shares();
    for (let n = 0; n < LIMITS.streamsPerOwner; n += 1) expect(lab.of('a').mayOpen()).toBe(true);
    expect([lab.of('a').mayOpen(), lab.of('b').mayOpen()]).toEqual([false, true]);
    clock.run(1_000);
    for (let n = 0; n < LIMITS.opensPerOwner; n += 1) expect(lab.of('a').mayOpen()).toBe(true);
    expect(lab.of('a').mayOpen()).toBe(false);
  });

  it('forgets whoever has nothing, the longest unused first, and nobody else', () => {
    const { shares: lab } = shares();
    const busy = lab.of('busy');
    busy.streams = 1;
    const waiting = lab.of('waiting');
    waiting.watched.add({});
    const idle = lab.of('idle');
    for (let n = 0; n < LIMITS.relayOwners; n += 1) lab.of(`user ${n}`);
    expect(lab.size).toBe(LIMITS.relayOwners);
    expect([lab.of('busy') === busy, lab.of('waiting') === waiting]).toEqual([true, true]);
    expect(lab.of('idle')).not.toBe(idle);
  });
});

describe('a user with many streams', () => {
  it('is refused more, and others are not', async () => {
    const lab = new RelayLab({ ofOwner: 2 });
    await lab.connector();
    const [mallory, again, alice] = [
      await lab.client('mallory'),
      await lab.client('mallory'),
      await lab.client('alice'),
    ];
    const [first] = [await mallory.open(), await again.open()];
    expect((await mallory.open()).closedWith).toBe('STREAM_LIMIT');
    expect((await again.open()).stream.error?.message).toContain('2 of one user are relayed');
    expect((await alice.open()).closedWith).toBeUndefined();
    first.stream.reset('STREAM_CANCELLED', '');
    await settle();
    expect((await mallory.open()).closedWith).toBeUndefined();
  });

  it('keeps those that it has when the gateway takes one that comes back for one more', async () => {
    const lab = new RelayLab({ ofOwner: 1 });
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    const stream = await alice.open();
    stream.write('hello');
    await settle();
    // The gateway does not know yet that the old link is dead.
    alice.fallSilent();
    const old = alice.link;
    await alice.dial();
    if (old !== undefined) alice.opener.removeLink(old);
    old?.close(1000, '');
    await settle();
    expect(stream.closedWith).toBeUndefined();
    await lab.pass(30_000);
    stream.write(' again');
    await settle();
    expect(connector.app().text).toBe('hello again');
  });

  it('pushes out its own detached streams, and not those of others', async () => {
    const lab = new RelayLab({ ofOwner: 2, detached: 10 });
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    await alice.open();
    await alice.cut();
    for (let n = 0; n < 3; n += 1) {
      const mallory = await lab.client('mallory');
      await mallory.open();
      await mallory.cut();
    }
    expect(connector.apps.map(({ closedWith }) => closedWith)).toEqual([
      undefined,
      'ACCESS_REVOKED',
      undefined,
      undefined,
    ]);
    expect(lab.streams.detachedCount).toBe(3);
  });

  it('that nobody knows is told apart by address', async () => {
    const lab = new RelayLab({ ofOwner: 1 });
    await lab.connector();
    const [one, two] = [await lab.client(), await lab.client()];
    await one.open();
    expect((await two.open()).closedWith).toBe('STREAM_LIMIT');
  });

  it('is refused when it opens more than a second allows, over however many links', async () => {
    const lab = new RelayLab();
    lab.gate.denied.add('mallory');
    await lab.connector();
    const strangers = [await lab.stranger('mallory'), await lab.stranger('mallory')];
    const open = (stranger: Stranger, n: number): void => {
      const key = `key${String(n).padStart(20, '0')}`;
      const request = { ...REQUEST, hostname: HOSTNAME };
      stranger.channel.send([encodeJson('OPEN', 2 * n + 1, openMessage({ key, request }))]);
    };
    for (let n = 0; n < LIMITS.streamsPerOwner; n += 1) {
      const stranger = strangers[n % 2];
      if (stranger !== undefined) open(stranger, n);
    }
    const [first, second] = strangers;
    await second?.told();
    expect(await first?.told()).not.toContain('RESET STREAM_LIMIT');
    if (first !== undefined) open(first, LIMITS.streamsPerOwner);
    expect((await first?.told())?.at(-1)).toBe('RESET STREAM_LIMIT');
    const alice = await lab.client('alice');
    expect((await alice.open()).closedWith).toBeUndefined();
  });
});
