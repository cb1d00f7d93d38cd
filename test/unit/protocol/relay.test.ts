/** A relay with nothing but bytes on either side: what each is sent, and what becomes of a side that breaks a rule. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import type { OpenMessage } from '../../../src/protocol/message/stream-opening.ts';
import {
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodeJson,
  encodeReset,
  type Frame,
} from '../../../src/protocol/frame.ts';
import { openMessage, RawPeer, START } from './raw-peer.ts';
import { NEAR, FAR, REPLICA, RelayProcess, ThreeEnds } from './three-ends.ts';
import { settle, turnsUntil } from './turns.ts';

/** Ids of the first stream on either link. */
const N = 1;
const F = 2;

interface World {
  /** The client's side, and the connector's. */
  readonly near: RawPeer;
  readonly far: RawPeer;
  readonly middle: RelayProcess;
}

function start(relayBytes = LIMITS.relayBytes): World {
  const middle = new RelayProcess(relayBytes);
  const near = new RawPeer({ onOpen: (slot, message) => middle.open(slot, message) });
  const far = new RawPeer();
  middle.farLinks.add(far.link);
  return { near, far, middle };
}

function data(id: number, offset: number, text: string): Buffer {
  return Buffer.concat([encodeDataHeader(id, offset, 0), Buffer.from(text)]);
}

function accept(changes: object = {}): Buffer {
  return encodeJson('ACCEPT', F, { position: START, info: {}, ...changes });
}

/** A stream that both sides have agreed on. */
async function opened(relayBytes?: number): Promise<World> {
  const world = start(relayBytes);
  await world.near.open(N);
  await world.far.send(accept());
  await world.near.received();
  await world.far.received();
  return world;
}

/** One that came back: `position` is the client's, `theirs` the connector's. */
async function resumed(position: object, theirs: object): Promise<World> {
  const world = start();
  await world.near.open(N, {
    epoch: 3,
    resume: true,
    position: { ...START, ...position },
  });
  await world.far.send(accept({ position: { ...START, ...theirs } }));
  await world.near.received();
  await world.far.received();
  return world;
}

function show(frames: readonly Frame[]): string[] {
  return frames.map((frame) => {
    if (frame.type === 'DATA') return `DATA ${frame.offset}:${frame.data.toString()}`;
    if (frame.type === 'FIN') return `FIN ${frame.offset}`;
    if (frame.type === 'ACK') return `ACK ${frame.consumed}+${frame.window}`;
    return frame.type === 'RESET' ? `RESET ${frame.code}` : frame.type;
  });
}

/** What the connector, and the client, are sent now. */
async function told({ near, far }: World): Promise<{ near: string[]; far: string[] }> {
  return { near: show(await near.received()), far: show(await far.received()) };
}

describe('Relay', () => {
  it('opens an id on the far link with what the gateway asks for', async () => {
    const world = start();
    await world.near.open(N, { epoch: 2, resume: true, relayMs: 30 });
    const [frame] = await world.far.received();
    expect(frame).toMatchObject({ type: 'OPEN', id: F });
    const { json } = frame as Frame & { json: Buffer };
    expect(JSON.parse(json.toString())).toMatchObject({
      ...openMessage({ epoch: 2, resume: true }),
      relayMs: 30 + Math.round(world.near.link.roundTripMs),
    });
  });

  it('M13 never passes on a round trip that the next link would not take', async () => {
    const world = start();
    await world.near.open(N, { relayMs: 60_000 });
    const [open] = (await world.far.received()) as (Frame & { json: Buffer })[];
    expect(JSON.parse(open?.json.toString() ?? '')).toMatchObject({ relayMs: 60_000 });
    await world.far.send(accept({ relayMs: 60_000 }));
    const [accepted] = (await world.near.received()) as (Frame & { json: Buffer })[];
    expect(JSON.parse(accepted?.json.toString() ?? '')).toMatchObject({ relayMs: 60_000 });
  });

  it('tells the initiator where the stream lives', async () => {
    const world = start();
    await world.near.open(N);
    await world.far.send(accept({ info: { origin: '127.0.0.1:22', replica: 'a lie' } }));
    const [frame] = (await world.near.received()) as (Frame & { json: Buffer })[];
    expect(frame).toMatchObject({ type: 'ACCEPT', id: N });
    expect(JSON.parse(frame?.json.toString() ?? '').info).toEqual({
      origin: '127.0.0.1:22',
      replica: REPLICA,
    });
  });

  it('hands on data, FIN and acknowledgements in both directions, under the other id', async () => {
    const world = await opened();
    await world.near.send(data(N, 0, 'up'), encodeFin(N, 2));
    await world.far.send(data(F, 0, 'down'), encodeAck(F, 3, 500));
    expect(await told(world)).toEqual({
      near: ['ACK 3+262141', 'DATA 0:down'],
      far: ['DATA 0:up', 'FIN 2'],
    });
  });

  it('hands on early data, and FIN behind it, before the origin is there', async () => {
    const world = start();
    await world.near.open(N);
    await world.near.send(data(N, 0, 'early'), encodeFin(N, 5));
    expect((await told(world)).far).toEqual(['OPEN', 'DATA 0:early', 'FIN 5']);
    await world.far.send(
      accept({ position: { received: 6, consumed: 0, window: 1_000, ended: true } }),
    );
    await world.far.send(encodeAck(F, 6, 1_000));
    expect((await told(world)).near).toEqual(['ACCEPT', 'ACK 6+16378']);
    expect([world.near.endedWith, world.far.endedWith]).toEqual([undefined, undefined]);
  });

  it('ends the stream at both endpoints when asked to', async () => {
    const world = await opened();
    const [relay] = world.middle.relays;
    relay?.reset('ACCESS_REVOKED', 'no longer');
    expect(await told(world)).toEqual({
      near: ['RESET ACCESS_REVOKED'],
      far: ['RESET ACCESS_REVOKED'],
    });
    expect(world.middle.ends).toEqual(['ACCESS_REVOKED']);
  });

  it.each([
    ['ORIGIN_RESET', 'ORIGIN_RESET'],
    ['STREAM_MOVED', 'detached'],
    ['STREAM_DETACHED', 'detached'],
  ] as const)('hands on RESET %s, and has %s', async (code, end) => {
    for (const side of ['near', 'far'] as const) {
      const world = await opened();
      const other = side === 'near' ? 'far' : 'near';
      await world[side].send(encodeReset(side === 'near' ? N : F, code, ''));
      // The side that sent it gets its answer.
      expect(await told(world)).toEqual({ near: [`RESET ${code}`], far: [`RESET ${code}`] });
      await world[other].send(encodeReset(other === 'near' ? N : F, code, ''));
      expect(world.middle.ends).toEqual([end]);
      expect([world.near.link.streamCount, world.far.link.streamCount]).toEqual([0, 0]);
    }
  });

  it.each(['near', 'far'] as const)(
    'says that the way is gone when its %s link is',
    async (side) => {
      const world = await opened();
      const other = side === 'near' ? 'far' : 'near';
      world[side].raw.cut();
      await settle();
      expect(show(await world[other].received())).toEqual(['RESET STREAM_DETACHED']);
      expect(world.middle.ends).toEqual(['detached']);
      // Frames that were under way end with the answer.
      const id = other === 'near' ? N : F;
      await world[other].send(data(id, 0, 'late'), encodeReset(id, 'STREAM_DETACHED', ''));
      expect([world[other].endedWith, world[other].link.streamCount]).toEqual([undefined, 0]);
    },
  );

  it('detaches the stream that would take more than the process has for all', async () => {
    const world = await opened(2_000);
    // Nothing is read at the connector, so what is sent on waits in its channel, and a turn's worth here.
    await world.near.send(data(N, 0, 'x'.repeat(1_000)));
    await world.near.send(data(N, 1_000, 'y'.repeat(1_900)));
    expect(await told(world)).toMatchObject({
      near: ['RESET STREAM_DETACHED'],
      far: [expect.stringContaining('DATA 0:'), 'RESET STREAM_DETACHED'],
    });
    expect(world.middle.ends).toEqual(['detached']);
    expect(world.middle.budget.usedBytes).toBe(0);
    expect([world.near.endedWith, world.far.endedWith]).toEqual([undefined, undefined]);
  });
});

describe('Relay, at the end of a stream', () => {
  it('closes each id when its endpoint does, and no sooner', async () => {
    const world = await opened();
    const { near, far } = world;
    const ids = (): number[] => [near.link.streamCount, far.link.streamCount];
    await near.send(data(N, 0, 'ab'), encodeFin(N, 2));
    await far.send(encodeFin(F, 0));
    expect(ids()).toEqual([1, 1]);
    // The connector has handed on all, and its own FIN is not acknowledged.
    await far.send(encodeAck(F, 3, 500));
    expect(ids()).toEqual([1, 1]);
    // The client acknowledges FIN; that was the last that both need.
    await near.send(encodeAck(N, 1, 500));
    expect(ids()).toEqual([0, 0]);
    expect(await told(world)).toEqual({
      near: ['FIN 0', 'ACK 3+262141'],
      far: ['DATA 0:ab', 'FIN 2', 'ACK 1+262143'],
    });
    expect(world.middle.ends).toEqual(['finished']);
    // Each has what the other said last, so a RESET that crossed it is answered and harms nobody.
    await near.send(encodeReset(N, 'STREAM_CANCELLED', ''));
    await far.send(encodeReset(F, 'STREAM_CANCELLED', ''));
    expect([near.endedWith, far.endedWith]).toEqual([undefined, undefined]);
  });

  it('goes on with one direction when the other is finished', async () => {
    const world = await opened();
    await world.near.send(encodeFin(N, 0));
    await world.far.send(encodeAck(F, 1, 500));
    await world.far.send(data(F, 0, 'still here'));
    expect(await told(world)).toEqual({
      near: ['ACK 1+262143', 'DATA 0:still here'],
      far: ['FIN 0'],
    });
  });

  it('knows of a FIN that the connector had before the stream came back', async () => {
    const world = await resumed({}, { received: 11, consumed: 11, ended: true });
    await world.far.send(data(F, 0, 'rest'), encodeFin(F, 4));
    await world.near.send(encodeAck(N, 5, 500));
    expect(world.middle.ends).toEqual(['finished']);
    expect([world.near.link.streamCount, world.far.link.streamCount]).toEqual([0, 0]);
    expect([world.near.endedWith, world.far.endedWith]).toEqual([undefined, undefined]);
  });

  it('knows of a FIN that the client had before the stream came back', async () => {
    const world = await resumed({ received: 5, consumed: 5, ended: true }, {});
    await world.near.send(encodeFin(N, 0));
    await world.far.send(encodeAck(F, 1, 500));
    expect(world.middle.ends).toEqual(['finished']);
    expect([world.near.link.streamCount, world.far.link.streamCount]).toEqual([0, 0]);
  });

  it('closes both ids with an ACCEPT that says that everything had arrived', async () => {
    const world = await resumed(
      { received: 5, consumed: 5, ended: true },
      { received: 8, consumed: 8, ended: true },
    );
    expect(world.middle.ends).toEqual(['finished']);
    expect([world.near.link.streamCount, world.far.link.streamCount]).toEqual([0, 0]);
  });
});

/** What a hostile client may try, and what ends its link. */
const NEAR_FAULTS: readonly [string, string, (world: World) => Promise<void>][] = [
  ['DATA with a gap', 'PROTO_BAD_OFFSET', async ({ near }) => near.send(data(N, 1, 'a'))],
  ['FIN with a gap', 'PROTO_BAD_OFFSET', async ({ near }) => near.send(encodeFin(N, 1))],
  [
    'more than it was granted',
    'PROTO_WINDOW_EXCEEDED',
    async ({ near }) => {
      for (let at = 0; at <= 262_144; at += 65_536) {
        await near.send(data(N, at, 'x'.repeat(65_536)));
      }
    },
  ],
  [
    'DATA behind FIN',
    'PROTO_AFTER_FIN',
    async ({ near }) => near.send(encodeFin(N, 0), data(N, 1, 'a')),
  ],
  [
    'an ACK of what it was not sent',
    'PROTO_BAD_ACK',
    async ({ near }) => near.send(encodeAck(N, 1, 500)),
  ],
  [
    'an ACK that goes back',
    'PROTO_BAD_ACK',
    async ({ near, far }) => {
      await far.send(data(F, 0, 'abc'));
      await near.send(encodeAck(N, 3, 500), encodeAck(N, 2, 500));
    },
  ],
  [
    'a window over the limit',
    'PROTO_BAD_ACK',
    async ({ near }) => near.send(encodeAck(N, 0, LIMITS.maxWindowBytes + 1)),
  ],
  [
    'a second ACK of FIN, when the connector may have closed the id',
    'PROTO_BAD_ACK',
    async ({ near, far }) => {
      await far.send(encodeFin(F, 0));
      await near.send(encodeAck(N, 1, 500), encodeAck(N, 1, 501));
    },
  ],
  ['ACCEPT', 'PROTO_UNEXPECTED', async ({ near }) => near.send(encodeJson('ACCEPT', N, ACCEPT))],
  [
    'an id that it never opened',
    'PROTO_UNKNOWN_STREAM',
    async ({ near }) => near.send(data(9, 0, 'a')),
  ],
];
const ACCEPT = { position: START, info: {} };

describe('Relay, with a hostile client', () => {
  it.each(NEAR_FAULTS)('M13 %s ends its own link with %s', async (_, code, misbehave) => {
    const world = await opened();
    // Somebody else's stream over the same link of the connector.
    const other = new RawPeer({ onOpen: (slot, message) => world.middle.open(slot, message) });
    await other.open(N, { key: 'somebody-else-s-stream' });
    await world.far.send(encodeJson('ACCEPT', 4, ACCEPT));
    await world.far.received();
    await misbehave(world);
    expect(world.near.endedWith).toBe(code);
    expect(world.far.endedWith).toBeUndefined();
    expect(show(await world.far.received()).at(-1)).toBe('RESET STREAM_DETACHED');
    await world.far.send(encodeReset(F, 'STREAM_DETACHED', ''), data(4, 0, 'not disturbed'));
    expect(show(await other.received())).toEqual(['ACCEPT', 'DATA 0:not disturbed']);
    expect(world.middle.budget.usedBytes).toBe(0);
  });

  it.each([
    ['DATA', 0, 20_000, 'PROTO_WINDOW_EXCEEDED'],
    ['DATA', 1, 1, 'PROTO_UNEXPECTED'],
    ['FIN', 1, 0, 'PROTO_UNEXPECTED'],
    ['ACK', 0, 0, 'PROTO_UNEXPECTED'],
  ])('M13 %s before ACCEPT, epoch %i, ends its own link', async (what, epoch, bytes, code) => {
    const world = start();
    await world.near.open(N, { epoch });
    if (what === 'DATA') await world.near.send(data(N, 0, 'x'.repeat(bytes)));
    if (what === 'FIN') await world.near.send(encodeFin(N, 0));
    if (what === 'ACK') await world.near.send(encodeAck(N, 0, 500));
    expect([world.near.endedWith, world.far.endedWith]).toEqual([code, undefined]);
  });
});

describe('Relay, with a hostile connector', () => {
  it.each<[string, string, () => Buffer[]]>([
    ['DATA with a gap', 'PROTO_BAD_OFFSET', () => [data(F, 1, 'a')]],
    ['an ACK of what it was not sent', 'PROTO_BAD_ACK', () => [encodeAck(F, 1, 500)]],
    ['ACCEPT twice', 'PROTO_UNEXPECTED', () => [accept()]],
    ['DATA behind FIN', 'PROTO_AFTER_FIN', () => [encodeFin(F, 0), data(F, 1, 'a')]],
  ])('M13 %s ends its own link with %s', async (_, code, frames) => {
    const world = await opened();
    await world.far.send(...frames());
    expect([world.near.endedWith, world.far.endedWith]).toEqual([undefined, code]);
    expect(show(await world.near.received()).at(-1)).toBe('RESET STREAM_DETACHED');
  });

  it.each<[string, string, Buffer]>([
    ['DATA', 'PROTO_UNEXPECTED', data(F, 0, 'a')],
    ['FIN', 'PROTO_UNEXPECTED', encodeFin(F, 0)],
    ['ACK', 'PROTO_UNEXPECTED', encodeAck(F, 0, 500)],
    [
      'ACCEPT of what was not sent',
      'PROTO_BAD_OFFSET',
      accept({ position: { received: 5, consumed: 5, window: 500 } }),
    ],
  ])('M13 %s before ACCEPT ends its own link with %s', async (_, code, frame) => {
    const world = start();
    await world.near.open(N);
    await world.far.send(frame);
    expect([world.near.endedWith, world.far.endedWith]).toEqual([undefined, code]);
    expect(show(await world.near.received())).toEqual(['RESET STREAM_DETACHED']);
  });
});

describe('Relay, with positions that a client invents', () => {
  const text = 'x'.repeat(3_000);

  /** A stream on which the client has got 3,000 bytes of a longer text, over a link that then broke. */
  async function halfWay(isEnded = false): Promise<{ ends: ThreeEnds; key: string }> {
    const ends = new ThreeEnds();
    const { there } = ends.connect(NEAR);
    ends.connect(FAR);
    const client = ends.open();
    await turnsUntil(() => ends.accepted.length > 0);
    ends.at().isReading = !isEnded;
    ends.at().write(text);
    if (isEnded) {
      ends.at().stream.end();
      client.stream.end();
      ends.at().isReading = true;
      await turnsUntil(() => ends.accepter.streamCount === 0);
    } else {
      await turnsUntil(() => client.bytes === text.length);
      ends.clock.run(200);
      await settle();
    }
    there.cut();
    await settle();
    return { ends, key: client.stream.key };
  }

  it.each([
    ['that it has the end', { received: 3_000, consumed: 3_000, window: 9_000, ended: true }],
    ['less than it acknowledged', { received: 3_000, consumed: 2_000, window: 9_000 }],
    ['more than it was sent', { received: 3_001, consumed: 3_000, window: 9_000 }],
  ])('M12 %s: the stream ends, and the link of the connector does not', async (_, position) => {
    const { ends, key } = await halfWay();
    const thief = new RawPeer({ onOpen: (slot, message) => ends.middle.open(slot, message) });
    await thief.open(N, { key, epoch: 5, resume: true, position } as Partial<OpenMessage>);
    expect(show(await thief.received())).toEqual(['RESET STREAM_BAD_POSITION']);
    expect(ends.at().closedWith).toBe('STREAM_BAD_POSITION');
    ends.at().write('more');
    await settle();
    expect(ends.linkErrors).toEqual([]);
  });

  it('M12 that it grants less than it had granted: it gets no more', async () => {
    const { ends, key } = await halfWay();
    const position = { received: 3_000, consumed: 3_000, window: 10 };
    const thief = new RawPeer({ onOpen: (slot, message) => ends.middle.open(slot, message) });
    await thief.open(N, { key, epoch: 5, resume: true, position });
    ends.at().write('y'.repeat(50));
    await settle();
    expect(show(await thief.received())).toEqual(['ACCEPT', `DATA 3000:${'y'.repeat(10)}`]);
    expect(ends.linkErrors).toEqual([]);
  });

  it('M12 that a stream which is over stands elsewhere: it learns nothing, and ends no link', async () => {
    const { ends, key } = await halfWay(true);
    const thief = new RawPeer({ onOpen: (slot, message) => ends.middle.open(slot, message) });
    await thief.open(N, { key, epoch: 5, resume: true });
    await thief.send(encodeAck(N, 0, 500));
    expect(show(await thief.received())).toEqual(['RESET STREAM_BAD_POSITION']);
    expect(ends.linkErrors).toEqual([]);
  });
});
