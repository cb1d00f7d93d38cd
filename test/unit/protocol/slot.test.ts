import { describe, expect, it } from '@jest/globals';

import { encodeAck, encodeFin, encodeReset } from '../../../src/protocol/frame.ts';
import { Link } from '../../../src/protocol/link.ts';
import type { Slot } from '../../../src/protocol/slot.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { memoryChannels } from '../../support/memory-channel.ts';
import { holder, openMessage, RawPeer } from './raw-peer.ts';
import { settle } from './turns.ts';

describe('Slot', () => {
  /** A link with one stream of the peer, and what its holder was told. */
  async function opened(): Promise<{ peer: RawPeer; slot: Slot; told: string[] }> {
    const told: string[] = [];
    const peer = new RawPeer({
      onOpen: () =>
        holder({
          onFrame: ({ type }) => told.push(type),
          onReset: (_slot, code, reason, isAnswer) =>
            told.push(`${isAnswer ? 'answer' : 'reset'} ${code} ${reason}`),
        }),
    });
    await peer.open(1);
    return { peer, slot: peer.opened[0] as Slot, told };
  }

  it('a RESET of the peer is answered with the same code and closes the id', async () => {
    const { peer, told } = await opened();
    await peer.send(encodeReset(1, 'ORIGIN_REFUSED', 'why'));
    expect(told).toEqual(['reset ORIGIN_REFUSED why']);
    expect(await peer.received()).toMatchObject([{ type: 'RESET', id: 1, code: 'ORIGIN_REFUSED' }]);
    expect(peer.link.streamCount).toBe(0);
  });

  it('after our RESET nothing reaches the holder but the answer', async () => {
    const { peer, slot, told } = await opened();
    slot.reset('STREAM_CANCELLED', 'enough');
    slot.reset('STREAM_RESET', 'twice');
    await peer.send(encodeFin(1, 0), encodeAck(1, 999, 1));
    expect(told).toEqual([]);
    expect(peer.link.streamCount).toBe(1);
    await peer.send(encodeReset(1, 'STREAM_CANCELLED', ''));
    expect(told).toEqual(['answer STREAM_CANCELLED ']);
    expect(await peer.received()).toMatchObject([
      { type: 'RESET', code: 'STREAM_CANCELLED', reason: 'enough' },
    ]);
    expect(peer.link.streamCount).toBe(0);
  });

  it('two RESETs that cross answer each other', async () => {
    const [left, right] = memoryChannels();
    const clock = new FakeClock();
    const told: string[] = [];
    const ends: Slot[] = [];
    const note =
      (side: string) => (_slot: Slot, code: string, _reason: string, isAnswer: boolean) =>
        told.push(`${side} ${code} ${isAnswer}`);
    const links = [left, right].map(
      (channel, index) =>
        new Link({
          channel,
          isDialler: index === 1,
          clock,
          events: {
            onControl: () => undefined,
            onOpen: (slot) => {
              ends.push(slot);
              return holder({ onReset: note('right') });
            },
            onClose: () => told.push('closed'),
          },
        }),
    );
    for (const link of links) link.trust();
    const [link] = links as [Link, Link];
    const slot = link.open(holder({ onReset: note('left') }), openMessage());
    await settle();
    slot.reset('STREAM_RESET', '');
    ends[0]?.reset('ORIGIN_RESET', '');
    await settle();
    expect(told.toSorted()).toEqual(['left ORIGIN_RESET true', 'right STREAM_RESET true']);
    expect(links.map(({ streamCount }) => streamCount)).toEqual([0, 0]);
    expect([left.inFlight, right.inFlight]).toEqual([0, 0]);
  });

  it('a stream that is being reset sends nothing more', async () => {
    const { peer, slot } = await opened();
    slot.holder = holder({
      nextAck: () => encodeAck(1, 0, 0),
      nextFrame: () => encodeFin(1, 0),
    });
    slot.ready();
    slot.ackNow();
    slot.ackSoon();
    slot.reset('STREAM_CANCELLED', '');
    slot.ready();
    slot.ackNow();
    slot.ackSoon();
    peer.clock.run(1_000);
    expect(await peer.received()).toMatchObject([{ type: 'RESET' }]);
  });
});
