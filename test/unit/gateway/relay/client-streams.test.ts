/** Streams of clients at a gateway: judged, routed, watched and ended, with honest and hostile clients. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { encodeJson, encodeReset } from '../../../../src/protocol/frame.ts';
import { openMessage, REQUEST } from '../../protocol/raw-peer.ts';
import { settle } from '../../protocol/turns.ts';
import {
  BASTION_HOSTNAME,
  grantOf,
  HOSTNAME,
  OTHER_HOSTNAME,
  RelayLab,
  type Client,
  type Connector,
} from './relay-lab.ts';
import { AppEnd } from '../../protocol/two-ends.ts';

/** Alice's stream, on which both ends have spoken. */
async function open(
  lab: RelayLab,
): Promise<{ connector: Connector; alice: Client; stream: AppEnd; key: string }> {
  const connector = await lab.connector();
  const alice = await lab.client('alice');
  const stream = await alice.open();
  stream.write('hello');
  connector.app().write('welcome');
  await settle();
  expect([stream.text, connector.app().text]).toEqual(['welcome', 'hello']);
  return { connector, alice, stream, key: stream.stream.key };
}

function openFrame(id: number, changes: Parameters<typeof openMessage>[0] = {}): Buffer {
  const request = { ...REQUEST, hostname: HOSTNAME, ...changes.request };
  return encodeJson('OPEN', id, openMessage({ ...changes, request }));
}

/** Where an ended stream left nothing. */
function expectNothingLeft(lab: RelayLab): void {
  expect([lab.streams.attachedCount, lab.streams.detachedCount, lab.gate.holds.size]).toEqual([
    0, 0, 0,
  ]);
}

describe('a stream of a client', () => {
  it('reaches the connector with what the gateway knows of who asks', async () => {
    const lab = new RelayLab();
    const { connector, stream } = await open(lab);
    expect(connector.app().stream.request).toEqual({
      kind: 'tcp',
      hostname: HOSTNAME,
      rule: 'ssh',
      requestId: 'q',
      client: { address: '192.0.2.1', port: 1 },
      owner: 'owner alice',
      grant: grantOf('alice'),
      detachedMs: LIMITS.clientDetachedMs,
    });
    expect(stream.stream.replica).toBe('replica-1');
    expect(lab.streams.attachedCount).toBe(1);
  });

  it('carries the word of the gateway where the rule wants it, and never that of the client', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    const forged = { ...REQUEST, assertion: 'forged' };
    alice.opener.open({ ...forged, hostname: HOSTNAME });
    alice.opener.open({ ...forged, hostname: OTHER_HOSTNAME });
    await settle();
    const [plain, guarded] = connector.apps.map(({ stream }) => stream.request);
    expect(plain).not.toHaveProperty('assertion');
    expect(guarded).toHaveProperty('assertion', 'signed q db user');
  });

  it('leads to a destination where the rule wants one, and nowhere where it does not', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    const destination = { host: 'db.internal', port: 5432 };
    const ask = (hostname: string, more: object): AppEnd =>
      new AppEnd(alice.opener.open({ ...REQUEST, hostname, ...more }));
    const right = ask(BASTION_HOSTNAME, { destination });
    const missing = ask(BASTION_HOSTNAME, {});
    const needless = ask(HOSTNAME, { destination });
    await settle();
    expect(connector.apps).toHaveLength(1);
    expect(connector.app().stream.request).toHaveProperty('destination', destination);
    expect(right.closedWith).toBeUndefined();
    expect([missing.closedWith, needless.closedWith]).toEqual([
      'ORIGIN_DESTINATION',
      'ORIGIN_DESTINATION',
    ]);
  });

  it('ends, and leaves nothing', async () => {
    const lab = new RelayLab();
    const { connector, stream } = await open(lab);
    stream.stream.end();
    connector.app().stream.end();
    await settle();
    expect([stream.closedWith, connector.app().closedWith]).toEqual(['cleanly', 'cleanly']);
    expect(lab.events).toEqual(['attached', 'finished']);
    expectNothingLeft(lab);
  });

  it.each([
    ['no.postern.test', 'ROUTE_NOT_FOUND'],
    ['x'.repeat(260), 'ROUTE_NOT_FOUND'],
    [OTHER_HOSTNAME, 'ACCESS_DENIED'],
  ])('to %s is refused with %s', async (hostname, code) => {
    const lab = new RelayLab();
    lab.gate.denied.add(OTHER_HOSTNAME);
    await lab.connector();
    const stranger = await lab.stranger();
    await stranger.send(
      openFrame(1, { request: { ...REQUEST, hostname: hostname.slice(0, 253) } }),
    );
    expect(await stranger.told()).toEqual([`RESET ${code}`]);
    expect(lab.events).toEqual([`refused ${code}`]);
    expectNothingLeft(lab);
  });

  it('M13 to a name that gets longer than any is refused, and no connector sees it', async () => {
    const lab = new RelayLab();
    lab.route('*.postern.test');
    const connector = await lab.connector();
    const stranger = await lab.stranger();
    // Short as it was typed, and some 700 characters as DNS has it.
    const letters = Array.from({ length: 230 }, (_, n) => String.fromCodePoint(0x4e00 + n * 71));
    const hostname = `${letters.join('')}.postern.test`;
    await stranger.send(openFrame(1, { request: { ...REQUEST, hostname } }));
    expect(await stranger.told()).toEqual(['RESET ROUTE_NOT_FOUND']);
    expect(connector.link?.isClosed).toBe(false);
  });

  it('without a connector is refused; one that lived at a connector waits for it', async () => {
    const lab = new RelayLab();
    const alice = await lab.client('alice');
    expect((await alice.open()).closedWith).toBe('ROUTE_NO_REPLICA');
    const { connector, stream, alice: other } = await open(lab);
    await connector.cut();
    await lab.pass(30_000);
    expect(stream.told).toEqual([]);
    expect((await other.open()).closedWith).toBe('ROUTE_NO_REPLICA');
    await connector.dial();
    await lab.pass(4_000);
    stream.write(' again');
    await settle();
    expect(connector.app().text).toBe('hello again');
  });

  it('never goes on at another connector than its own', async () => {
    const lab = new RelayLab();
    const { connector, stream } = await open(lab);
    const other = await lab.connector('replica-2');
    await connector.cut();
    await lab.pass(10_000);
    expect([other.apps.length, stream.closedWith]).toEqual([0, undefined]);
    await lab.pass(LIMITS.clientDetachedMs);
    expect(stream.closedWith).toBe('STREAM_LOST');
    await lab.pass(60_000);
    expectNothingLeft(lab);
  });

  it('that was opened and not answered is led to the same connector, whatever else is connected', async () => {
    const lab = new RelayLab();
    const connectors = await Promise.all(
      [1, 2, 3, 4].map(async (n) => lab.connector(`replica-${n}`)),
    );
    const alice = await lab.client('alice');
    const stream = await alice.open();
    const found = (): string[] =>
      connectors.filter(({ apps }) => apps.length > 0).map(({ process }) => process);
    const first = found();
    expect(first).toHaveLength(1);
    // As if ACCEPT had been lost: nobody has told the client of a replica.
    const stranger = await lab.stranger('alice');
    await stranger.send(openFrame(1, { key: stream.stream.key, epoch: 1 }));
    expect(await stranger.told()).toEqual(['ACCEPT']);
    expect(found()).toEqual(first);
  });

  it('waits when its connector has had all the streams that a second allows', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const stranger = await lab.stranger();
    const many = LIMITS.opensPerSecond / 2 + 1;
    for (let n = 0; n < many; n += 1) {
      const key = `key${String(n).padStart(20, '0')}`;
      stranger.channel.send([openFrame(2 * n + 1, { key })]);
    }
    const last = (await stranger.told()).filter((what) => what.startsWith('RESET'));
    expect(last).toEqual(['RESET STREAM_DETACHED']);
    expect(connector.apps.length).toBe(many - 1);
  });
});

describe('whose a stream is', () => {
  it('K18 somebody else with its key learns nothing, and the stream goes on', async () => {
    const lab = new RelayLab();
    const { connector, stream, key } = await open(lab);
    for (const who of ['mallory', undefined]) {
      const thief = await lab.stranger(who);
      await thief.send(openFrame(1, { key, epoch: 7, resume: true }));
      expect(await thief.told()).toEqual(['RESET STREAM_UNKNOWN']);
    }
    stream.write(' still');
    await settle();
    expect(connector.app().text).toBe('hello still');
  });

  it('K18 nor when the gateway has never heard of the stream', async () => {
    const lab = new RelayLab();
    const { connector, alice, key } = await open(lab);
    await alice.cut();
    await lab.pass(1_000);
    // Another gateway, or this one started anew, to which the connector has a link.
    const elsewhere = new RelayLab();
    const same = await elsewhere.connector();
    Object.assign(same, { accepter: connector.accepter });
    const thief = await elsewhere.stranger('mallory');
    await thief.send(openFrame(1, { key, epoch: 7, resume: true }));
    expect(await thief.told()).toEqual(['RESET STREAM_UNKNOWN']);
    expect(connector.app().closedWith).toBeUndefined();
  });

  it('K18 its owner cannot go on with it as something else that they may reach', async () => {
    const lab = new RelayLab();
    const { connector, stream, key } = await open(lab);
    const again = await lab.stranger('alice');
    const request = { ...REQUEST, hostname: OTHER_HOSTNAME };
    await again.send(openFrame(1, { key, epoch: 7, resume: true, request }));
    expect(await again.told()).toEqual(['RESET STREAM_UNKNOWN']);
    stream.write(' still');
    await settle();
    expect(connector.app().text).toBe('hello still');
    // It is watched as before.
    lab.gate.revokeAll();
    await settle();
    expect(connector.app().closedWith).toBe('ACCESS_REVOKED');
  });
});

describe('a stream that is no longer allowed', () => {
  it('is reset at both ends', async () => {
    const lab = new RelayLab();
    const { connector, stream } = await open(lab);
    lab.gate.revokeAll();
    await settle();
    expect([stream.closedWith, connector.app().closedWith]).toEqual([
      'ACCESS_REVOKED',
      'ACCESS_REVOKED',
    ]);
    expectNothingLeft(lab);
  });

  it('is ended at the connector while it is detached', async () => {
    const lab = new RelayLab();
    const { connector, alice, stream } = await open(lab);
    await alice.cut();
    expect([lab.streams.detachedCount, lab.gate.holds.size]).toEqual([1, 1]);
    lab.gate.revokeAll();
    await settle();
    expect(connector.app().closedWith).toBe('ACCESS_REVOKED');
    expectNothingLeft(lab);
    await alice.dial();
    await settle();
    expect(stream.closedWith).toBe('ACCESS_REVOKED');
  });

  it('is ended when its client comes back and is refused', async () => {
    const lab = new RelayLab();
    const { connector, alice, stream } = await open(lab);
    await alice.cut();
    lab.gate.denied.add('alice');
    await alice.dial();
    await settle();
    expect([stream.closedWith, connector.app().closedWith]).toEqual([
      'ACCESS_DENIED',
      'ACCESS_REVOKED',
    ]);
    expectNothingLeft(lab);
  });

  it('K18 stays watched, however often it is opened again', async () => {
    const lab = new RelayLab();
    const { connector, key, stream } = await open(lab);
    const again = await lab.stranger('alice');
    // An epoch that the connector has seen: refused there.
    await again.send(openFrame(1, { key }));
    expect(await again.told()).toEqual(['RESET STREAM_STALE_EPOCH']);
    // One that is given up before the connector has answered.
    again.channel.send([openFrame(3, { key }), encodeReset(3, 'STREAM_CANCELLED', '')]);
    await settle();
    expect(lab.gate.holds.size).toBe(1);
    lab.gate.revokeAll();
    await settle();
    expect([stream.closedWith, connector.app().closedWith]).toEqual([
      'ACCESS_REVOKED',
      'ACCESS_REVOKED',
    ]);
  });

  it('has one watch behind a move', async () => {
    const lab = new RelayLab();
    const { connector, alice, stream } = await open(lab);
    const old = stream.stream.slot?.link;
    await alice.dial();
    if (old !== undefined) alice.opener.leaveLink(old);
    await settle();
    expect(lab.events).toEqual(['attached', 'detached', 'resumed']);
    expect([lab.gate.holds.size, lab.streams.attachedCount, lab.streams.detachedCount]).toEqual([
      1, 1, 0,
    ]);
    stream.write(' moved');
    await settle();
    expect(connector.app().text).toBe('hello moved');
  });

  it('has one watch when it comes back before the end of its old link was seen', async () => {
    const lab = new RelayLab();
    const { connector, alice, key } = await open(lab);
    alice.fallSilent();
    const again = await lab.stranger('alice');
    const position = { received: 7, consumed: 7, window: 1_000 };
    await again.send(openFrame(1, { key, epoch: 1, resume: true, position }));
    expect(await again.told()).toEqual(['ACCEPT']);
    expect(lab.events).toEqual(['attached', 'resumed', 'detached']);
    expect([lab.gate.holds.size, lab.streams.attachedCount, lab.streams.detachedCount]).toEqual([
      1, 1, 0,
    ]);
    lab.gate.revokeAll();
    await settle();
    expect(connector.app().closedWith).toBe('ACCESS_REVOKED');
  });

  it('that many share, detached, is ended with few words', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    const count = 2 * LIMITS.endedKeys + 1;
    for (let n = 0; n < count; n += 1) alice.opener.open({ ...REQUEST, hostname: HOSTNAME });
    await settle(50);
    expect(connector.apps).toHaveLength(count);
    await alice.cut();
    await settle(50);
    lab.gate.revokeAll();
    await settle(50);
    expect(connector.ends).toHaveLength(3);
    expect(connector.accepter.streamCount).toBe(0);
    expectNothingLeft(lab);
  });

  it('is forgotten when it can no longer come back', async () => {
    const lab = new RelayLab();
    const { alice } = await open(lab);
    await alice.cut();
    await lab.pass(LIMITS.clientDetachedMs + LIMITS.deadPeerMs - 4_000);
    expect(lab.gate.holds.size).toBe(1);
    await lab.pass(4_000);
    expectNothingLeft(lab);
  });
});

describe('how long a stream may be detached', () => {
  const MINUTE_MS = 60_000;

  it.each([
    ['less than usual', { detachedMs: MINUTE_MS }, MINUTE_MS, 'STREAM_LOST'],
    ['more than usual', { detachedMs: 60 * MINUTE_MS }, 60 * MINUTE_MS, 'STREAM_LOST'],
    [
      'no longer than its user has access',
      { detachedMs: 60 * MINUTE_MS, endsMs: 2 * MINUTE_MS },
      2 * MINUTE_MS,
      'ACCESS_REVOKED',
    ],
  ])('is %s where the policy says so, at both ends', async (_what, life, keptMs, code) => {
    const lab = new RelayLab();
    lab.gate.life = life;
    const { connector, alice, stream } = await open(lab);
    expect(connector.app().stream.request).toMatchObject(life);
    await alice.cut();
    await lab.pass(keptMs - 4_000);
    expect([stream.closedWith, connector.app().closedWith]).toEqual([undefined, undefined]);
    await lab.pass(4_000);
    expect(stream.closedWith).toBe(code);
    await lab.pass(LIMITS.deadPeerMs);
    expect(connector.app().closedWith).toBe(code);
    // The gateway's own watch: here nobody tells it that access has ended.
    await lab.pass(life.detachedMs);
    expectNothingLeft(lab);
  });

  it('is counted from when the stream is detached, and its end from when it was judged', async () => {
    const lab = new RelayLab();
    lab.gate.life = { detachedMs: 10 * MINUTE_MS, endsMs: 11 * MINUTE_MS };
    const { connector, alice, stream } = await open(lab);
    await lab.pass(10 * MINUTE_MS);
    await alice.cut();
    await lab.pass(MINUTE_MS - 4_000);
    expect([stream.closedWith, connector.app().closedWith]).toEqual([undefined, undefined]);
    await lab.pass(4_000);
    const over = 'Cannot resume the stream: access to it has ended';
    expect(stream.stream.error).toMatchObject({ code: 'ACCESS_REVOKED', message: over });
    expect(connector.app().stream.error).toMatchObject({ code: 'ACCESS_REVOKED', message: over });
  });

  it('is judged anew with each attach', async () => {
    const lab = new RelayLab();
    lab.gate.life = { detachedMs: MINUTE_MS, endsMs: 2 * MINUTE_MS };
    const { connector, alice, stream } = await open(lab);
    await alice.cut();
    lab.gate.life = { detachedMs: 10 * MINUTE_MS };
    await alice.dial();
    await settle();
    await alice.cut();
    await lab.pass(9 * MINUTE_MS);
    expect([stream.closedWith, connector.app().closedWith]).toEqual([undefined, undefined]);
    await alice.dial();
    stream.write(' again');
    await settle();
    expect(connector.app().text).toBe('hello again');
  });

  it('is as long as ever with a gateway that does not say', async () => {
    const lab = new RelayLab();
    const { alice, stream } = await open(lab);
    await alice.cut();
    await lab.pass(LIMITS.clientDetachedMs - 4_000);
    expect(stream.closedWith).toBeUndefined();
    await lab.pass(4_000);
    expect(stream.closedWith).toBe('STREAM_LOST');
  });

  it('is never what the client says', async () => {
    const lab = new RelayLab();
    lab.gate.life = { detachedMs: MINUTE_MS };
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    alice.opener.open({ ...REQUEST, hostname: HOSTNAME, detachedMs: 9e8, endsMs: 9e12 });
    await settle();
    expect(connector.app().stream.request).toMatchObject({ detachedMs: MINUTE_MS });
    expect(connector.app().stream.request).not.toHaveProperty('endsMs');
  });
});

describe('many streams of clients', () => {
  it('are refused beyond those that may be relayed at once', async () => {
    const lab = new RelayLab({ relayed: 2, detached: 10 });
    await lab.connector();
    const alice = await lab.client('alice');
    const [first] = [await alice.open(), await alice.open()];
    expect((await alice.open()).closedWith).toBe('STREAM_LIMIT');
    first.stream.reset('STREAM_CANCELLED', '');
    await settle();
    expect((await alice.open()).closedWith).toBeUndefined();
  });

  it('that are detached are ended, the longest first, beyond those that may be watched', async () => {
    const lab = new RelayLab({ relayed: 10, detached: 2 });
    const connector = await lab.connector();
    const alice = await lab.client('alice');
    for (let n = 0; n < 3; n += 1) await alice.open();
    await alice.cut();
    expect(connector.apps.map(({ closedWith }) => closedWith)).toEqual([
      'ACCESS_REVOKED',
      undefined,
      undefined,
    ]);
    expect([lab.streams.detachedCount, lab.gate.holds.size]).toEqual([2, 2]);
  });
});
