import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { LIMITS } from '../../../src/core/limits.ts';
import { dialChannel } from '../../../src/transport/dial/dial-channel.ts';
import type { WsFrameChannel } from '../../../src/transport/ws-frame-channel.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { listen, openPair, record, Recorder, startLinkServer, type Pair } from './link-ends.ts';
import { makeCertificates, type TestCertificates } from '../../support/test-authority.ts';

const SUBPROTOCOL = 'postern.v1';

let certificates: TestCertificates;
beforeAll(async () => {
  certificates = await makeCertificates();
});

/** A WebSocket of the library's own to a link server, to send what our side never would, and the channel it reaches. */
async function openRaw(
  tls?: TestCertificates,
): Promise<{ raw: WebSocket; socket: Socket; channel: WsFrameChannel; recorder: Recorder }> {
  const server = await startLinkServer(tls?.good);
  const raw = new WebSocket(`${server.url}/.postern/link`, SUBPROTOCOL, {
    perMessageDeflate: false,
    ...(tls === undefined ? {} : { ca: tls.ca }),
  });
  cleanup(() => raw.terminate());
  raw.on('error', () => undefined);
  const upgraded = once(raw, 'upgrade');
  const [channel] = await Promise.all([server.next(), once(raw, 'open')]);
  const [response] = await upgraded;
  return { raw, socket: response.socket, channel, recorder: record(channel) };
}

/** The close code and reason a raw WebSocket is told. */
async function closeOf(raw: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = await once(raw, 'close');
  return { code, reason: String(reason) };
}

/** Sends `count` frames of random sizes in random batches, and keeps to the queue's limit as a link does. */
function sendRandom(channel: WsFrameChannel, recorder: Recorder, count: number): Promise<string> {
  const hash = createHash('sha256');
  const source = randomBytes(LIMITS.frameBytes);
  let left = count;
  return new Promise((resolve) => {
    const pump = (): void => {
      while (left > 0 && channel.queuedBytes < LIMITS.socketQueueBytes) {
        const batch = Array.from(
          { length: Math.min(left, 1 + Math.floor(Math.random() * 20)) },
          () => {
            // Mostly small, now and then the largest there is.
            const bytes = Math.floor(Math.random() ** 5 * (LIMITS.frameBytes + 1));
            const frame = Buffer.from(source.subarray(0, bytes));
            if (bytes >= 4) frame.writeUInt32BE(left);
            hash.update(`${bytes}:`).update(frame);
            return frame;
          },
        );
        left -= batch.length;
        recorder.within(() => channel.send(batch));
      }
      if (left > 0) return;
      recorder.onDrain = () => undefined;
      resolve(hash.digest('hex'));
    };
    recorder.onDrain = pump;
    pump();
  });
}

/** The digest of `count` received frames, and how many there were more. */
function receive(recorder: Recorder, count: number): Promise<string> {
  const hash = createHash('sha256');
  let left = count;
  return new Promise((resolve) => {
    recorder.onFrame = (frame) => {
      hash.update(`${frame.byteLength}:`).update(frame);
      left -= 1;
      if (left === 0) resolve(hash.digest('hex'));
    };
  });
}

describe.each([
  ['over TLS', true],
  ['without TLS', false],
])('WsFrameChannel %s', (_how, isTls) => {
  const pair = (): Promise<Pair> => openPair(isTls ? certificates : undefined);

  it('carries 10,000 frames of random sizes each way at once, whole and in order', async () => {
    const { dialled, accepted } = await pair();
    const near = new Recorder();
    const far = new Recorder();
    const arrived = [receive(near, 10_000), receive(far, 10_000)];
    dialled.events = near;
    accepted.events = far;
    const [up, down] = await Promise.all([
      sendRandom(dialled, near, 10_000),
      sendRandom(accepted, far, 10_000),
    ]);
    expect(await Promise.all(arrived)).toEqual([down, up]);
    expect([near.closes, far.closes]).toEqual([[], []]);
  });

  it('takes the largest frame there is', async () => {
    const { dialled, accepted } = await pair();
    const far = record(accepted);
    record(dialled);
    const largest = randomBytes(LIMITS.frameBytes);
    dialled.send([largest]);
    await eventually(() => far.frames.length === 1);
    expect(far.frames[0]?.equals(largest)).toBe(true);
  });

  it('delivers what was sent before close(), then tells the code and the reason', async () => {
    const { dialled, accepted } = await pair();
    const near = record(dialled);
    const far = record(accepted);
    near.within(() => {
      dialled.send([randomBytes(50_000), Buffer.from('last')]);
      dialled.close(4408, 'LINK_DEAD no PONG');
      dialled.close(1000, 'again');
      dialled.send([Buffer.from('too late')]);
    });
    expect(await near.closed).toBeUndefined();
    expect(await far.closed).toMatchObject({
      code: 'LINK_CLOSED',
      message: expect.stringContaining('4408 "LINK_DEAD no PONG"'),
    });
    expect(far.frames.map((frame) => frame.byteLength)).toEqual([50_000, 4]);
    expect(accepted.closeCode).toBe(4408);
    expect([near.closes.length, far.closes.length]).toEqual([1, 1]);
  });

  it('ends at once on terminate(), and the other side learns that no close message came', async () => {
    const { dialled, accepted } = await pair();
    const near = record(dialled);
    const far = record(accepted);
    near.within(() => {
      dialled.terminate();
      dialled.terminate();
      dialled.send([Buffer.from('too late')]);
    });
    expect(await near.closed).toBeUndefined();
    expect(await far.closed).toMatchObject({ code: 'LINK_CLOSED' });
    expect(accepted.closeCode).toBeUndefined();
    expect([near.closes.length, far.closes.length]).toEqual([1, 1]);
  });

  it('counts what the peer does not read, and tells once when it has gone out', async () => {
    const { dialled, accepted } = await pair();
    const near = record(dialled);
    const frame = Buffer.alloc(LIMITS.frameBytes);
    // Nobody listens at the other end, so nothing is read there: the kernel's buffers fill, then ours.
    let sentBytes = 0;
    await eventually(
      () => {
        near.within(() => dialled.send([frame]));
        sentBytes += frame.byteLength;
        return dialled.queuedBytes >= 4 * LIMITS.socketQueueBytes;
      },
      { everyMs: 1 },
    );
    expect(near.drains).toBe(0);
    const before = dialled.queuedBytes;
    dialled.send([Buffer.alloc(1_000)]);
    expect(dialled.queuedBytes - before).toBeGreaterThanOrEqual(1_000);
    expect(dialled.queuedBytes - before).toBeLessThan(1_100);

    let receivedBytes = 0;
    const far = new Recorder();
    far.onFrame = (received) => {
      receivedBytes += received.byteLength;
    };
    accepted.events = far;
    await eventually(() => receivedBytes === sentBytes + 1_000);
    await eventually(() => dialled.queuedBytes === 0);
    expect(near.drains).toBe(1);
  });

  it('does not tell of a queue that never rose above the mark', async () => {
    const { dialled, accepted } = await pair();
    const near = record(dialled);
    const far = record(accepted);
    for (let count = 1; count <= 20; count += 1) {
      dialled.send([Buffer.alloc(100)]);
      await eventually(() => far.frames.length === count, { everyMs: 1 });
    }
    expect(near.drains).toBe(0);
  });

  it('reads nothing before somebody listens, and loses nothing until then', async () => {
    const { dialled, accepted } = await pair();
    record(accepted);
    accepted.send([Buffer.from('first'), Buffer.from('second')]);
    await eventually(() => accepted.queuedBytes === 0);
    const near = record(dialled);
    await eventually(() => near.frames.length === 2);
    expect(near.frames.map(String)).toEqual(['first', 'second']);
  });

  it('tells whoever comes late that it has ended', async () => {
    const { dialled } = await pair();
    dialled.terminate();
    await eventually(() => dialled.closeCode === undefined && dialled.queuedBytes === 0);
    await new Promise((resolve) => setImmediate(resolve));
    const near = new Recorder();
    near.within(() => {
      dialled.events = near;
    });
    expect(await near.closed).toBeUndefined();
  });
});

describe('WsFrameChannel beside others', () => {
  it('keeps its bytes apart from those of links that break in the middle of a write', async () => {
    const server = await startLinkServer(certificates.good);
    const open = async (): Promise<[WsFrameChannel, WsFrameChannel]> => {
      const dialled = await dialChannel({ url: server.url, ca: certificates.ca });
      cleanup(() => dialled.terminate());
      return [dialled, await server.next()];
    };
    const survivors = [await open(), await open(), await open()];
    const digests = survivors.map(([near, far]) => {
      const sender = new Recorder();
      const receiver = new Recorder();
      const arrived = receive(receiver, 4_000);
      near.events = sender;
      far.events = receiver;
      return Promise.all([sendRandom(near, sender, 4_000), arrived]);
    });
    for (let broken = 0; broken < 30; broken += 1) {
      const [near, far] = await open();
      record(near);
      if (broken % 2 === 0) record(far);
      near.send(Array.from({ length: 40 }, () => Buffer.alloc(LIMITS.frameBytes, 0xee)));
      await new Promise((resolve) => setImmediate(resolve));
      near.terminate();
    }
    for (const [sent, arrived] of await Promise.all(digests)) expect(arrived).toBe(sent);
  });
});

/** A server that accepts links and keeps every chunk it is sent behind the upgrade. */
async function startListener(isTls: boolean): Promise<{ url: string; chunks: Buffer[] }> {
  const chunks: Buffer[] = [];
  const server = isTls ? createHttpsServer(certificates.good) : createHttpServer();
  server.on('upgrade', ({ headers }, socket) => {
    // RFC 6455 §4.2.2
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  });
  const port = await listen(server);
  return { url: `${isTls ? 'https' : 'http'}://localhost:${port}`, chunks };
}

/** What a dialling side sends for a batch of frames, in the chunks that arrive: over TLS a record each. */
async function sentFor(
  isTls: boolean,
  frames: readonly Buffer[],
  bytes: number,
): Promise<Buffer[]> {
  const { url, chunks } = await startListener(isTls);
  const dialled = await dialChannel({ url, ca: certificates.ca });
  cleanup(() => dialled.terminate());
  record(dialled);
  dialled.send(frames);
  await eventually(() => Buffer.concat(chunks).length === bytes);
  return chunks;
}

/** The first bytes that a dialling side sends. */
async function firstBytes(isTls: boolean): Promise<Buffer> {
  const frames = [Buffer.from('abcd'), Buffer.from('abcd')];
  return Buffer.concat(await sentFor(isTls, frames, 20));
}

describe('WsFrameChannel and how it masks', () => {
  it('uses a mask of zeros over TLS, where nothing on the way can read it', async () => {
    // 82 84: binary, masked, 4 bytes; mask; "abcd"
    expect((await firstBytes(true)).toString('hex')).toBe('82840000000061626364'.repeat(2));
  });

  it('uses another random mask for each frame without TLS', async () => {
    const bytes = await firstBytes(false);
    expect(bytes.subarray(0, 2).toString('hex')).toBe('8284');
    const masks = [bytes.readUInt32BE(2), bytes.readUInt32BE(12)];
    expect(new Set([...masks, 0]).size).toBe(3);
    const text = Buffer.from('abcd').readUInt32BE();
    expect((bytes.readUInt32BE(6) ^ bytes.readUInt32BE(2)) >>> 0).toBe(text);
  });

  it('sends a batch of small frames as one TLS record', async () => {
    const frames = Array.from({ length: 100 }, () => Buffer.alloc(60));
    const chunks = await sentFor(true, frames, 6_600);
    expect(chunks.map((chunk) => chunk.length)).toEqual([6_600]);
  });
});

describe('WsFrameChannel and a peer that misbehaves', () => {
  it('ends the link at a text message, with 1003', async () => {
    const { raw, recorder } = await openRaw();
    raw.send('text');
    const { code, reason } = await closeOf(raw);
    expect([code, reason.split(' ')[0]]).toEqual([1003, 'PROTO_BAD_FRAME']);
    expect(await recorder.closed).toMatchObject({ code: 'PROTO_BAD_FRAME' });
    expect(recorder.frames).toEqual([]);
  });

  it('M4 ends the link at the header of a message over the limit, with 1009, before any of it is held', async () => {
    const { raw, socket, recorder } = await openRaw();
    const closing = closeOf(raw);
    // 82: binary; ff: masked, length in 8 bytes; frameBytes + 1; a mask; and no payload
    const header = Buffer.from('82ff000000000000000000000000', 'hex');
    header.writeUInt32BE(LIMITS.frameBytes + 1, 6);
    socket.write(header);
    expect(await closing).toMatchObject({ code: 1009 });
    expect(await recorder.closed).toMatchObject({
      code: 'PROTO_FRAME_TOO_LARGE',
      message: expect.stringContaining(String(LIMITS.frameBytes)),
    });
  });

  it.each([
    ['a length above 2^53', '82ffffffffffffffffff00000000'],
    ['a message that is not masked', '820161'],
    ['a reserved bit', 'c281000000000061'],
    ['an unknown opcode', '8381000000000061'],
    ['a continuation of nothing', '8081000000000061'],
    ['a fragmented ping', '098000000000'],
    ['a close code that does not exist', '88820000000003e7'],
  ])('ends the link at %s', async (_what, bytes) => {
    const { raw, socket, recorder } = await openRaw();
    const closing = closeOf(raw);
    socket.write(Buffer.from(bytes, 'hex'));
    await closing;
    expect(await recorder.closed).toMatchObject({ code: 'PROTO_BAD_FRAME' });
    expect(recorder.frames).toEqual([]);
  });

  it('puts a message together that was fragmented on the way', async () => {
    const { raw, recorder } = await openRaw();
    for (let index = 0; index < LIMITS.frameFragments; index += 1) {
      raw.send(Buffer.from([index]), { binary: true, fin: index === LIMITS.frameFragments - 1 });
    }
    await eventually(() => recorder.frames.length === 1);
    expect([...(recorder.frames[0] ?? [])]).toEqual([...Array(LIMITS.frameFragments).keys()]);
  });

  it('ends the link at more fragments than the limit, empty ones too', async () => {
    const { raw, recorder } = await openRaw();
    const closing = closeOf(raw);
    for (let index = 0; index <= LIMITS.frameFragments; index += 1) {
      raw.send(Buffer.alloc(0), { binary: true, fin: false });
    }
    await closing;
    expect(await recorder.closed).toMatchObject({ code: 'PROTO_BAD_FRAME' });
  });

  it('ends the link when a frame that needs unmasking comes in more pieces than the limit', async () => {
    const { raw, socket, recorder } = await openRaw(certificates);
    const closing = closeOf(raw);
    // 82 fe ffff: binary, masked, 65,535 bytes; a mask; each write waits for the last one and so is a TLS record of its own
    const feed = (left: number): void => {
      if (left > 0 && socket.writable) socket.write(Buffer.alloc(1), () => feed(left - 1));
    };
    socket.write(Buffer.from('82feffff01020304', 'hex'), () => feed(LIMITS.framePieces + 10));
    await closing;
    expect(await recorder.closed).toMatchObject({ code: 'PROTO_BAD_FRAME' });
  });

  it('answers WebSocket pings', async () => {
    const { raw } = await openRaw();
    const pong = once(raw, 'pong');
    raw.ping('are you there');
    expect(String((await pong)[0])).toBe('are you there');
  });

  it('M10 ends the link at a flood of WebSocket pings', async () => {
    const { raw, recorder } = await openRaw();
    const closing = closeOf(raw);
    for (let count = 0; count < 3 * LIMITS.controlFramesPerSecond; count += 1) raw.ping();
    expect(await closing).toMatchObject({ code: 4400 });
    expect(await recorder.closed).toMatchObject({ code: 'PROTO_FLOOD' });
  });

  it('delivers nothing that stands behind the frame at which its listener closed', async () => {
    const { dialled, accepted } = await openPair();
    const near = record(dialled);
    const far = new Recorder();
    let frames = 0;
    far.onFrame = () => {
      frames += 1;
      accepted.close(4400, 'PROTO_BAD_FRAME');
    };
    accepted.events = far;
    dialled.send(Array.from({ length: 50 }, () => Buffer.alloc(10)));
    expect(await near.closed).toMatchObject({ message: expect.stringContaining('4400') });
    expect(await far.closed).toBeUndefined();
    expect(frames).toBe(1);
  });

  it('does not wait longer than the limit for the answer to close()', async () => {
    const { raw, channel, recorder } = await openRaw();
    raw.pause();
    const start = performance.now();
    recorder.within(() => channel.close(1001, 'going away'));
    expect(await recorder.closed).toBeUndefined();
    expect(performance.now() - start).toBeGreaterThan(LIMITS.closeMs / 2);
    expect(performance.now() - start).toBeLessThan(5 * LIMITS.closeMs);
  });

  it('keeps to the limit also while the peer does not read what was sent before', async () => {
    const { raw, channel, recorder } = await openRaw();
    raw.pause();
    channel.send(Array.from({ length: 400 }, () => Buffer.alloc(LIMITS.frameBytes)));
    const start = performance.now();
    channel.close(1001, 'going away');
    expect(await recorder.closed).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(5 * LIMITS.closeMs);
  });

  it('sends nothing behind the answer to a close message of the peer', async () => {
    const { raw, channel, recorder } = await openRaw();
    raw.close(4429, 'LINK too\nmany');
    await eventually(
      () => {
        channel.send([Buffer.alloc(10)]);
        return recorder.closes.length === 1;
      },
      { everyMs: 1 },
    );
    expect(recorder.closes).toEqual([
      expect.objectContaining({
        code: 'LINK_CLOSED',
        message: expect.stringContaining(String.raw`4429 "LINK too\nmany"`),
      }),
    ]);
    expect(channel.closeCode).toBe(4429);
  });

  it.each(['dialled', 'accepted'] as const)(
    'tells why the peer closed also while much was waiting to be sent, where the %s side sends',
    async (sending) => {
      const pair = await openPair(certificates);
      const sender = pair[sending];
      const peer = sending === 'dialled' ? pair.accepted : pair.dialled;
      const recorder = record(sender);
      const frame = Buffer.alloc(LIMITS.frameBytes);
      // Nothing is read at the other end. The kernel takes no more once the queue stays as it was.
      let lastBytes = 0;
      await eventually(() => {
        const isStuck = sender.queuedBytes === lastBytes && lastBytes > 0;
        if (!isStuck) sender.send(Array.from({ length: 32 }, () => frame));
        lastBytes = sender.queuedBytes;
        return isStuck;
      });
      peer.close(4401, 'REGISTER_REVOKED');
      expect(await recorder.closed).toMatchObject({
        code: 'LINK_CLOSED',
        message: expect.stringContaining('4401 "REGISTER_REVOKED"'),
      });
      expect(sender.closeCode).toBe(4401);
      expect(recorder.closes.length).toBe(1);
    },
  );

  it('cuts a close reason to what fits, between two characters', async () => {
    const { raw, channel } = await openRaw();
    const closing = closeOf(raw);
    channel.close(1001, `${'x'.repeat(122)}ä and more`);
    expect(await closing).toEqual({ code: 1001, reason: 'x'.repeat(122) });
  });

  it('reports a reset with the error of the socket as its cause', async () => {
    const { raw, socket, recorder } = await openRaw();
    socket.resetAndDestroy();
    await once(raw, 'close');
    expect(await recorder.closed).toMatchObject({
      code: 'LINK_CLOSED',
      message: expect.stringContaining('ECONNRESET'),
      cause: expect.objectContaining({ code: 'ECONNRESET' }),
    });
  });

  it('reports an end of the connection without a close message', async () => {
    const { socket, recorder } = await openRaw();
    socket.end();
    expect(await recorder.closed).toMatchObject({
      code: 'LINK_CLOSED',
      message: expect.stringContaining('without a close message'),
    });
  });
});
