/** What an acceptor answers to OPEN, byte by byte: the table of docs/protocol.md §6. */
import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import type { OpenMessage, Position } from '../../../src/protocol/message/stream-opening.ts';
import {
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodeJson,
  encodeReset,
  type Frame,
} from '../../../src/protocol/frame.ts';
import { StreamAccepter, type AccepterOptions } from '../../../src/protocol/stream-accepter.ts';
import { openMessage, RawPeer, REQUEST } from './raw-peer.ts';
import { settle } from './turns.ts';
import { AppEnd } from './two-ends.ts';

// Some of these move very many streams; a busy machine takes its time.

/** An acceptor behind a link on whose other side a test writes bytes. */
class Acceptor extends RawPeer {
  readonly budgets = {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
  readonly apps: AppEnd[] = [];
  readonly accepter: StreamAccepter;
  /** What the peer of the link asks for. */
  detachedMs: number | undefined;

  constructor(options: Partial<AccepterOptions> = {}) {
    // The link asks only when a frame arrives, and none does before the acceptor is there.
    super({ onOpen: (slot, message) => this.accepter.open(slot, message, this.detachedMs) });
    this.accepter = new StreamAccepter({
      clock: this.clock,
      budgets: this.budgets,
      onStream: (stream) => {
        this.apps.push(new AppEnd(stream));
        stream.accept();
      },
      ...options,
    });
  }

  app(index = 0): AppEnd {
    return this.apps[index] as AppEnd;
  }

  /** Sends OPEN on `id` and returns what is answered. */
  async answer(id: number, changes: Partial<OpenMessage> = {}): Promise<string[]> {
    await this.received();
    await this.open(id, changes);
    return (await this.received()).map(show);
  }

  async told(): Promise<string[]> {
    return (await this.received()).map(show);
  }
}

function show(frame: Frame): string {
  switch (frame.type) {
    case 'ACCEPT': {
      const { received, consumed } = (JSON.parse(String(frame.json)) as { position: Position })
        .position;
      return `${frame.id} ACCEPT ${received} ${consumed}`;
    }
    case 'RESET':
      return `${frame.id} RESET ${frame.code}`;
    case 'DATA':
      return `${frame.id} DATA ${frame.offset} ${String(frame.data)}`;
    case 'FIN':
      return `${frame.id} FIN ${frame.offset}`;
    case 'ACK':
      return `${frame.id} ACK ${frame.consumed}`;
    default:
      return frame.type;
  }
}

const numbered = (n: number): string => `key${String(n).padStart(20, '0')}`;

/** Sends `count` times what `frames` makes, at a pace that the link allows. */
async function sendMany(
  acceptor: Acceptor,
  count: number,
  frames: (id: number, n: number) => Buffer[],
): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    acceptor.raw.send(frames(2 * n + 1, n));
    if (n % 2_000 < 1_999) continue;
    await settle(2);
    acceptor.clock.run(500);
  }
  await settle();
  expect(acceptor.endedWith).toBeUndefined();
}

const data = (id: number, offset: number, text: string): Buffer =>
  Buffer.concat([encodeDataHeader(id, offset, 0), Buffer.from(text)]);
const at = (received: number, consumed = received): Position => ({
  received,
  consumed,
  window: LIMITS.initialWindowBytes,
});

describe('StreamAccepter: a new stream', () => {
  it('is accepted with the position 0', async () => {
    const acceptor = new Acceptor();
    expect(await acceptor.answer(1)).toEqual(['1 ACCEPT 0 0']);
    expect(acceptor.accepter.streamCount).toBe(1);
  });

  it('is refused while no streams are taken, but a known one is attached', async () => {
    let takes = true;
    const acceptor = new Acceptor({ takesStreams: () => takes });
    await acceptor.answer(1);
    takes = false;
    expect(await acceptor.answer(3, { key: 'x'.repeat(22) })).toEqual(['3 RESET STREAM_REFUSED']);
    expect(await acceptor.answer(5, { epoch: 1, resume: true })).toEqual([
      '1 RESET STREAM_MOVED',
      '5 ACCEPT 0 0',
    ]);
  });

  it('whose initiator says that it received something is refused, and costs nothing', async () => {
    const acceptor = new Acceptor();
    expect(await acceptor.answer(1, { position: at(1, 0) })).toEqual([
      '1 RESET STREAM_BAD_POSITION',
    ]);
    const open = (id: number): Buffer => encodeJson('OPEN', id, openMessage({ position: at(9) }));
    await acceptor.send(...Array.from({ length: 2_000 }, (_, n) => open(2 * n + 3)));
    expect(acceptor.budgets.windows.usedBytes).toBe(0);
    expect([acceptor.apps.length, acceptor.accepter.streamCount]).toEqual([0, 0]);
  });

  it('may be the second try of one that never arrived', async () => {
    const acceptor = new Acceptor();
    expect(await acceptor.answer(1, { epoch: 3 })).toEqual(['1 ACCEPT 0 0']);
  });

  it('may be reset before anybody returns', async () => {
    const acceptor = new Acceptor({ onStream: (s) => s.reset('ORIGIN_NO_RULE', '') });
    expect(await acceptor.answer(1)).toEqual(['1 RESET ORIGIN_NO_RULE']);
    expect(acceptor.accepter.streamCount).toBe(0);
    await acceptor.send(encodeReset(1, 'ORIGIN_NO_RULE', ''));
    expect(acceptor.link.streamCount).toBe(0);
  });
});

describe('StreamAccepter: a stream that comes back', () => {
  /** One stream that received `hello` and sent `world`, of which the initiator acknowledged two bytes. */
  async function used(): Promise<Acceptor> {
    const acceptor = new Acceptor();
    await acceptor.open(1);
    acceptor.app().isReading = false;
    await acceptor.send(data(1, 0, 'hello'));
    acceptor.app().write('world');
    await settle();
    await acceptor.send(encodeAck(1, 2, 100));
    await acceptor.received();
    return acceptor;
  }

  it.each([
    [2, ['3 DATA 2 rld']],
    [4, ['3 DATA 4 d']],
    [5, []],
  ])('goes on where the initiator stands, at %i', async (received, sent) => {
    const acceptor = await used();
    const position = at(received, 2);
    expect(await acceptor.answer(3, { epoch: 1, resume: true, position })).toEqual([
      '1 RESET STREAM_MOVED',
      '3 ACCEPT 5 0',
      ...sent,
    ]);
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''), data(3, 5, ' again'));
    expect(acceptor.app().text).toBe('hello again');
    expect(acceptor.apps).toHaveLength(1);
    expect(acceptor.link.streamCount).toBe(1);
  });

  it.each([0, 1])('is not attached by an epoch that is not higher: %i after 1', async (epoch) => {
    const acceptor = await used();
    await acceptor.answer(3, { epoch: 1, resume: true, position: at(5) });
    expect(await acceptor.answer(5, { epoch, resume: true, position: at(5) })).toEqual([
      '5 RESET STREAM_STALE_EPOCH',
    ]);
    // It stays where it is.
    await acceptor.send(data(3, 5, ' there'));
    expect(acceptor.app().text).toBe('hello there');
    expect(acceptor.app().told).toEqual([]);
  });

  it.each([
    ['received less than was acknowledged', at(1, 1)],
    ['received more than was sent', at(6, 5)],
    ['consumed less than was acknowledged', at(5, 1)],
  ])('M12 ends at both endpoints when the initiator says that it %s', async (_what, position) => {
    const acceptor = await used();
    expect(await acceptor.answer(3, { epoch: 1, resume: true, position })).toEqual([
      '1 RESET STREAM_MOVED',
      '3 RESET STREAM_BAD_POSITION',
    ]);
    expect(acceptor.app().told).toEqual(['close STREAM_BAD_POSITION']);
    expect(acceptor.endedWith).toBeUndefined();
    expect(acceptor.budgets.windows.usedBytes + acceptor.budgets.unacked.usedBytes).toBe(0);
    // And so it is remembered.
    expect(await acceptor.answer(5, { epoch: 2, resume: true })).toEqual([
      '5 RESET STREAM_BAD_POSITION',
    ]);
  });

  it('M12 an acknowledgement of bytes that were never sent, or that goes back, ends the link', async () => {
    for (const consumed of [6, 1]) {
      const acceptor = await used();
      await acceptor.send(encodeAck(1, consumed, 100));
      expect(acceptor.endedWith).toBe('PROTO_BAD_ACK');
    }
  });

  it('is not known when it never was here', async () => {
    const acceptor = new Acceptor();
    expect(await acceptor.answer(1, { epoch: 1, resume: true })).toEqual([
      '1 RESET STREAM_UNKNOWN',
    ]);
    expect(acceptor.apps).toEqual([]);
  });

  it('waits for its initiator after STREAM_MOVED, and takes it back', async () => {
    const acceptor = await used();
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    expect(await acceptor.told()).toEqual(['1 RESET STREAM_MOVED']);
    expect(acceptor.accepter.detachedCount).toBe(1);
    expect(acceptor.app().told).toEqual([]);
    expect(await acceptor.answer(3, { epoch: 1, resume: true, position: at(5) })).toEqual([
      '3 ACCEPT 5 0',
    ]);
    expect(acceptor.accepter.detachedCount).toBe(0);
  });

  it('takes no frames of the id it left', async () => {
    const acceptor = await used();
    await acceptor.answer(3, { epoch: 1, resume: true, position: at(5) });
    await acceptor.send(data(1, 5, 'lost'), encodeAck(1, 99, 0), encodeFin(1, 77));
    expect(acceptor.app().text).toBe('hello');
    expect(acceptor.endedWith).toBeUndefined();
  });

  it('ends when nobody came back in time', async () => {
    const acceptor = new Acceptor({ detachedMs: 5_000 });
    await acceptor.open(1);
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    acceptor.clock.run(4_999);
    expect(acceptor.app().told).toEqual([]);
    acceptor.clock.run(1);
    expect(acceptor.app().told).toEqual(['close STREAM_LOST']);
    expect(acceptor.accepter.detachedCount).toBe(0);
    expect(acceptor.budgets.windows.usedBytes).toBe(0);
    expect(await acceptor.answer(3, { epoch: 1, resume: true })).toEqual(['3 RESET STREAM_LOST']);
  });

  it('is kept for as long as the peer of its last link asked for', async () => {
    const acceptor = new Acceptor({ detachedMs: 5_000 });
    acceptor.detachedMs = 90_000;
    await acceptor.open(1);
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    await acceptor.pass(89_999);
    expect(acceptor.app().told).toEqual([]);
    acceptor.detachedMs = 2_000;
    expect(await acceptor.answer(3, { epoch: 1, resume: true })).toEqual(['3 ACCEPT 0 0']);
    await acceptor.send(encodeReset(3, 'STREAM_MOVED', ''));
    await acceptor.pass(2_000);
    expect(acceptor.app().told).toEqual(['close STREAM_LOST']);
  });

  it.each([
    ['another owner', { owner: 'mallory' }],
    ['no owner', {}],
    ['the owner, who was let in to something else', { owner: 'alice', hostname: 'b.test' }],
  ])('is not known to %s, and stays where it is', async (_, request) => {
    const acceptor = new Acceptor();
    await acceptor.answer(1, { request: { ...REQUEST, owner: 'alice' } });
    const asks = { epoch: 1, resume: true, request: { ...REQUEST, ...request } };
    expect(await acceptor.answer(3, asks)).toEqual(['3 RESET STREAM_UNKNOWN']);
    acceptor.app().write('still here');
    expect(await acceptor.told()).toEqual(['1 DATA 0 still here']);
    const own = { epoch: 2, resume: true, request: { ...REQUEST, owner: 'alice' } };
    expect(await acceptor.answer(5, own)).toEqual([
      '1 RESET STREAM_MOVED',
      '5 ACCEPT 0 0',
      '5 DATA 0 still here',
    ]);
  });

  it('is not known as one that leads elsewhere, and is to gateways that know no destinations', async () => {
    const acceptor = new Acceptor();
    const destination = { host: 'db', port: 22 };
    await acceptor.answer(1, { request: { ...REQUEST, destination } });
    const again = (epoch: number, request: OpenMessage['request']): Partial<OpenMessage> => ({
      epoch,
      resume: true,
      request,
    });
    const others = [
      { id: 3, host: 'db', port: 23 },
      { id: 5, host: 'web', port: 22 },
    ];
    for (const { id, ...other } of others) {
      const asked = again(1, { ...REQUEST, destination: other });
      expect(await acceptor.answer(id, asked)).toEqual([`${id} RESET STREAM_UNKNOWN`]);
    }
    expect(await acceptor.answer(31, again(1, { ...REQUEST, destination }))).toEqual([
      '1 RESET STREAM_MOVED',
      '31 ACCEPT 0 0',
    ]);
    expect(await acceptor.answer(33, again(2, REQUEST))).toEqual([
      '31 RESET STREAM_MOVED',
      '33 ACCEPT 0 0',
    ]);
  });

  it('is kept for as long as its own initiator asks for, and no longer than a day', async () => {
    for (const [asked, kept] of [
      [90_000, 90_000],
      [20 * 24 * 3_600_000, 24 * 3_600_000],
    ] as const) {
      const acceptor = new Acceptor();
      await acceptor.answer(1, { request: { ...REQUEST, detachedMs: asked } });
      acceptor.raw.cut();
      await settle();
      acceptor.clock.run(kept + LIMITS.deadPeerMs - 1);
      expect(acceptor.app().closedWith).toBeUndefined();
      acceptor.clock.run(1);
      expect(acceptor.app().closedWith).toBe('STREAM_LOST');
    }
  });

  it('end() ends those it names, attached or not, and the initiator hears why', async () => {
    const acceptor = new Acceptor();
    const keys = [numbered(1), numbered(2), numbered(3)];
    for (const [n, key] of keys.entries()) await acceptor.answer(2 * n + 1, { key });
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    await acceptor.received();
    acceptor.accepter.end(
      [numbered(1), numbered(2), numbered(9)],
      new PosternError('ACCESS_REVOKED', 'no longer'),
    );
    expect(await acceptor.told()).toEqual(['3 RESET ACCESS_REVOKED']);
    expect(acceptor.apps.map(({ closedWith }) => closedWith)).toEqual([
      'ACCESS_REVOKED',
      'ACCESS_REVOKED',
      undefined,
    ]);
    // One that comes back learns it too.
    expect(await acceptor.answer(7, { key: numbered(1), epoch: 1, resume: true })).toEqual([
      '7 RESET ACCESS_REVOKED',
    ]);
  });

  it('resetAll() ends all of them, attached or not', async () => {
    const acceptor = new Acceptor();
    await acceptor.open(1);
    await acceptor.open(3, { key: 'y'.repeat(22) });
    await acceptor.send(encodeReset(3, 'STREAM_MOVED', ''));
    await acceptor.received();
    acceptor.accepter.resetAll('STREAM_CANCELLED', 'the connector stops');
    expect(acceptor.apps.map(({ told }) => told)).toEqual([
      ['close STREAM_CANCELLED'],
      ['close STREAM_CANCELLED'],
    ]);
    expect(await acceptor.told()).toEqual(['1 RESET STREAM_CANCELLED']);
    expect([acceptor.accepter.streamCount, acceptor.accepter.detachedCount]).toEqual([0, 0]);
    expect(acceptor.budgets.windows.usedBytes).toBe(0);
  });
});

describe('StreamAccepter: a stream that has ended', () => {
  async function ended(): Promise<Acceptor> {
    const acceptor = new Acceptor();
    await acceptor.open(1);
    acceptor.app().write('bye');
    acceptor.app().stream.end();
    await settle();
    await acceptor.send(data(1, 0, 'hi'), encodeFin(1, 2), encodeAck(1, 4, 100));
    expect(acceptor.app().closedWith).toBe('cleanly');
    expect(acceptor.link.streamCount).toBe(0);
    return acceptor;
  }

  it('cleanly is answered with its last position, and the id is closed', async () => {
    const acceptor = await ended();
    const position = at(4);
    expect(await acceptor.answer(3, { epoch: 1, resume: true, position })).toEqual([
      '3 ACCEPT 3 3',
    ]);
    expect(acceptor.link.streamCount).toBe(0);
    // The initiator may have wanted to end it.
    await acceptor.send(encodeReset(3, 'STREAM_CANCELLED', ''));
    expect(await acceptor.told()).toEqual(['3 RESET STREAM_CANCELLED']);
    expect(acceptor.endedWith).toBeUndefined();
  });

  it('with an error is answered with that, however often it is asked', async () => {
    const acceptor = new Acceptor();
    await acceptor.open(1);
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    acceptor.app().stream.reset('ORIGIN_RESET', 'by the origin');
    for (const [id, epoch] of [
      [3, 1],
      [5, 2],
    ] as const) {
      expect(await acceptor.answer(id, { epoch, resume: false })).toEqual([
        `${id} RESET ORIGIN_RESET`,
      ]);
    }
    expect(acceptor.apps).toHaveLength(1);
  });

  it('is not attached by an epoch that is not higher', async () => {
    const acceptor = await ended();
    expect(await acceptor.answer(3, { epoch: 0, resume: true })).toEqual([
      '3 RESET STREAM_STALE_EPOCH',
    ]);
  });

  it('is forgotten after a while', async () => {
    const acceptor = await ended();
    await acceptor.pass(LIMITS.tombstoneMs - 1);
    expect(await acceptor.answer(3, { epoch: 1, resume: true, position: at(4) })).toEqual([
      '3 ACCEPT 3 3',
    ]);
    await acceptor.pass(1);
    expect(await acceptor.answer(5, { epoch: 2, resume: true, position: at(4) })).toEqual([
      '5 RESET STREAM_UNKNOWN',
    ]);
  });

  it('is remembered for as long as its initiator may come back', async () => {
    const acceptor = new Acceptor();
    acceptor.detachedMs = 3 * LIMITS.tombstoneMs;
    await acceptor.open(1);
    await acceptor.send(encodeReset(1, 'STREAM_MOVED', ''));
    acceptor.app().stream.reset('ORIGIN_RESET', 'by the origin');
    await acceptor.pass(3 * LIMITS.tombstoneMs - 1);
    expect(await acceptor.answer(3, { epoch: 1, resume: true })).toEqual(['3 RESET ORIGIN_RESET']);
  });

  it('of many the newest are remembered', async () => {
    const acceptor = new Acceptor({ onStream: (s) => s.reset('ORIGIN_REFUSED', '') });
    const count = LIMITS.tombstones + 1;
    await sendMany(acceptor, count, (id, n) => [
      encodeJson('OPEN', id, openMessage({ key: numbered(n) })),
      encodeReset(id, 'ORIGIN_REFUSED', ''),
    ]);
    const again = { epoch: 1, resume: true };
    const id = 2 * count + 1;
    expect(await acceptor.answer(id, { key: numbered(0), ...again })).toEqual([
      `${id} RESET STREAM_UNKNOWN`,
    ]);
    expect(await acceptor.answer(id + 2, { key: numbered(1), ...again })).toEqual([
      `${id + 2} RESET ORIGIN_REFUSED`,
    ]);
    expect(acceptor.budgets.windows.usedBytes).toBe(0);
  });
});

describe('StreamAccepter: many', () => {
  it('keeps a bounded number of detached streams, and gives up the longest detached first', async () => {
    const acceptor = new Acceptor();
    await sendMany(acceptor, LIMITS.detachedStreams + 3, (id, n) => [
      encodeJson('OPEN', id, openMessage({ key: numbered(n) })),
      encodeReset(id, 'STREAM_MOVED', ''),
    ]);
    expect(acceptor.accepter.detachedCount).toBe(LIMITS.detachedStreams);
    expect(acceptor.apps.slice(0, 4).map(({ closedWith }) => closedWith)).toEqual([
      'STREAM_LOST',
      'STREAM_LOST',
      'STREAM_LOST',
      undefined,
    ]);
    acceptor.clock.run(LIMITS.detachedMs);
    expect([acceptor.accepter.streamCount, acceptor.accepter.detachedCount]).toEqual([0, 0]);
    expect(acceptor.budgets.windows.usedBytes).toBe(0);
  });
});
