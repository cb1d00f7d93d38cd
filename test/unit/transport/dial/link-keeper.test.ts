/** What a keeper does when its link is in doubt: over channels in memory, in time that the test moves. */
import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { withResolvers } from '../../../../src/core/with-resolvers.ts';
import { Link, type LinkEvents } from '../../../../src/protocol/link.ts';
import { NOBODY } from '../../../../src/protocol/slot.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import {
  LinkKeeper,
  type KeptLink,
  type LinkEnd,
} from '../../../../src/transport/dial/link-keeper.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { memoryChannels, type MemoryChannel } from '../../../support/memory-channel.ts';
import { settle } from '../../protocol/turns.ts';

const HERE = '192.168.1.20';

interface Dialled {
  readonly link: Link;
  /** What the gateway's end sends on. */
  readonly back: MemoryChannel;
  readonly there: MemoryChannel;
}

class KeeperLab {
  readonly clock = new FakeClock();
  readonly dialled: Dialled[] = [];
  /** Dials that wait for the test, which rejects them. */
  readonly hanging: { reject: (error: PosternError) => void; signal: AbortSignal }[] = [];
  readonly ends: (string | undefined)[] = [];
  readonly keeper: LinkKeeper;
  mayDial = true;

  constructor() {
    this.keeper = new LinkKeeper({
      index: 0,
      clock: this.clock,
      log: createLog({ component: 'client', destination: { write: () => undefined } }),
      onDialled: () => undefined,
      dial: async (_attempt, signal) => this.#dial(signal),
      onUp: () => undefined,
      onDown: () => undefined,
      isUrgent: () => true,
      urgentMs: 1,
      onRefused: () => undefined,
    });
    const running = this.keeper.run();
    cleanup(async () => {
      this.keeper.stop();
      for (const { link } of this.dialled) link.terminate(new PosternError('LINK_CLOSED', 'over'));
      await running;
    });
  }

  /** The link that is up, once there is the n-th. */
  async up(count = 1): Promise<Dialled> {
    await eventually(() => this.dialled.length >= count && this.keeper.link !== undefined);
    await settle();
    return this.dialled[count - 1] as Dialled;
  }

  async #dial(signal: AbortSignal): Promise<KeptLink> {
    if (!this.mayDial) {
      const { promise, reject } = withResolvers<KeptLink>();
      this.hanging.push({ reject, signal });
      signal.addEventListener('abort', () =>
        reject(new PosternError('LINK_CLOSED', 'the dial was given up')),
      );
      return promise;
    }
    const [there, back] = memoryChannels();
    const { promise: ended, resolve } = withResolvers<LinkEnd>();
    const link = this.#link(there, true, (error) => {
      this.ends.push(error?.message);
      resolve({ kind: 'closed', error });
    });
    this.#link(back, false, () => undefined);
    this.dialled.push({ link, there, back });
    return { link, gateway: 'https://gw', ended, localAddress: `::ffff:${HERE}` };
  }

  #link(channel: MemoryChannel, isDialler: boolean, onClose: LinkEvents['onClose']): Link {
    const events = { onControl: () => undefined, onOpen: () => NOBODY, onClose };
    return new Link({ channel, isDialler, clock: this.clock, events });
  }
}

describe('a link whose machine has other addresses now', () => {
  it('is dropped at once when the one it used is gone, and dialled again', async () => {
    const lab = new KeeperLab();
    const { link } = await lab.up();
    lab.keeper.onNetworkChange({ gone: new Set([HERE]) });
    expect(link.isClosed).toBe(true);
    expect(lab.ends[0]).toContain('address of this machine that it used is gone');
    await lab.up(2);
  });

  it.each([
    ['another one is gone', ['10.0.0.7']],
    ['there is one more', []],
  ])('stays when %s and the gateway answers', async (_what, gone) => {
    const lab = new KeeperLab();
    const { link } = await lab.up();
    lab.clock.run(1_000);
    lab.keeper.onNetworkChange({ gone: new Set(gone) });
    await settle();
    lab.clock.run(LIMITS.doubtMs);
    expect([link.isClosed, lab.dialled.length]).toEqual([false, 1]);
  });

  it('is dropped when the gateway no longer answers', async () => {
    const lab = new KeeperLab();
    const { link, there } = await lab.up();
    there.blackHole();
    lab.keeper.onNetworkChange({ gone: new Set() });
    await settle();
    lab.clock.run(LIMITS.doubtMs - 1);
    expect(link.isClosed).toBe(false);
    lab.clock.run(1);
    expect(link.isClosed).toBe(true);
    expect(lab.ends[0]).toContain('no answer within 2000 ms, asked because the network');
    await lab.up(2);
  });

  it('is asked once at a time, however often in doubt', async () => {
    const lab = new KeeperLab();
    const { link, back } = await lab.up();
    let asked = 0;
    const { events } = back;
    back.events = {
      onFrame: (frame) => {
        if (frame[0] === 0x08) asked += 1;
        events.onFrame(frame);
      },
      onDrain: () => events.onDrain(),
      onClose: (error) => events.onClose(error),
    };
    for (let times = 0; times < 100; times += 1) lab.keeper.doubt('nothing comes back');
    await settle();
    expect(asked).toBe(1);
    lab.clock.run(LIMITS.doubtMs);
    expect(link.isClosed).toBe(false);
  });

  it('that is not there hurries a dial that has been waiting, and not one that has just begun', async () => {
    const lab = new KeeperLab();
    const { link } = await lab.up();
    lab.mayDial = false;
    link.terminate(new PosternError('LINK_CLOSED', 'cut'));
    await eventually(() => lab.hanging.length === 1);
    lab.keeper.onNetworkChange({ gone: new Set() });
    expect(lab.hanging[0]?.signal.aborted).toBe(false);
    lab.clock.run(LIMITS.doubtMs + 1);
    lab.mayDial = true;
    lab.keeper.onNetworkChange({ gone: new Set() });
    expect(lab.hanging[0]?.signal.aborted).toBe(true);
    await lab.up(2);
  });
});

it('stop() gives up the dial that is under way', async () => {
  const lab = new KeeperLab();
  const { link } = await lab.up();
  lab.mayDial = false;
  link.terminate(new PosternError('LINK_CLOSED', 'cut'));
  await eventually(() => lab.hanging.length === 1);
  lab.keeper.stop();
  expect(lab.hanging[0]?.signal.aborted).toBe(true);
});
