/** Large bodies over HTTP/2, and users and origins that are slow to take them. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { HTTP_LIMITS_DEFAULTS } from '../../../../src/config/http-limits.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { eventually, untilStill } from '../../../support/eventually.ts';
import { FRAME, FLAG, frame, uint32 } from '../../../support/http2-bytes.js';
import { headersFrame } from '../../../support/http2-frames.ts';
import { dial, httpOrigin, onHeads, rawOrigin, targetAt } from '../http/http-fixture.ts';
import {
  GET,
  ask,
  begin,
  headOf,
  openFrames,
  openSession,
  startHttp2Gateway,
} from './http2-fixture.ts';

const MIB = 1024 * 1024;
const PIECE = randomBytes(MIB);
/** How many of them a body has. */
const PIECES = 24;

/** The SHA-256 of this many times PIECE. */
function digest(times: number): string {
  const hash = createHash('sha256');
  for (let time = 0; time < times; time += 1) hash.update(PIECE);
  return hash.digest('hex');
}

describe('many megabytes', () => {
  const expected = digest(PIECES);

  it('come down whole, on four streams at once', async () => {
    const origin = await httpOrigin((_request, response) => {
      void (async () => {
        for (let time = 0; time < PIECES; time += 1) {
          // oxlint-disable-next-line no-await-in-loop
          if (!response.write(PIECE)) await once(response, 'drain');
        }
        response.end();
      })();
    });
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const digests = Array.from({ length: 4 }, async () => {
      const stream = begin(session);
      const hash = createHash('sha256');
      stream.on('data', (bytes: Buffer) => hash.update(bytes));
      await once(stream, 'close');
      return hash.digest('hex');
    });
    expect(await Promise.all(digests)).toEqual(Array.from({ length: 4 }, () => expected));
  });

  it('go up whole, and come back as they are', async () => {
    const origin = await httpOrigin((request, response) => void request.pipe(response));
    const { port } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port), { ':method': 'PUT' });
    const hash = createHash('sha256');
    stream.on('data', (bytes: Buffer) => hash.update(bytes));
    const closed = once(stream, 'close');
    for (let time = 0; time < PIECES; time += 1) {
      // oxlint-disable-next-line no-await-in-loop
      if (!stream.write(PIECE)) await once(stream, 'drain');
    }
    stream.end();
    await closed;
    expect(hash.digest('hex')).toBe(expected);
  });
});

it('a user who does not read holds up the origin after a little, and nobody else', async () => {
  let sent = 0;
  const origin = await rawOrigin((socket) =>
    onHeads(socket, (head) => {
      if (!head.startsWith('GET /bulk')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        return;
      }
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 * MIB}\r\n\r\n`);
      const more = (): void => {
        while (socket.writableLength < MIB && !socket.destroyed) {
          sent += PIECE.length;
          socket.write(PIECE, more);
        }
      };
      more();
    }),
  );
  // What lies between gateway and origin holds nothing: the sockets' buffers are not what is tested.
  const { port } = await startHttp2Gateway({
    origin: targetAt(origin, { open: () => dial(origin) }),
  });
  const session = await openSession(port, { settings: { initialWindowSize: 100_000 } });
  const slow = begin(session, { ':path': '/bulk' });
  await headOf(slow);
  slow.pause();
  await untilStill(() => sent, { everyMs: 250 });
  // Socket buffers of the kernel, on the way from the origin, take several MiB.
  expect(sent).toBeLessThan(32 * MIB);
  expect(await ask(session)).toMatchObject({ status: 200 });
  slow.close(8);
});

it('an origin that does not read holds up its user after a window, and no other request', async () => {
  const sockets: Socket[] = [];
  const origin = await rawOrigin((socket) => {
    sockets.push(socket);
    socket.once('data', (bytes) => {
      if (String(bytes).startsWith('POST')) socket.pause();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  const { port, summaries } = await startHttp2Gateway({ origin });
  const client = await openFrames(port);
  client.send(headersFrame(1, [[':method', 'POST'], ...GET.slice(1)], FLAG.endHeaders));
  await client.first(FRAME.settings);
  // As a client does that keeps to the windows: it starts with what RFC 9113 §6.9.2 says, and adds what it is given.
  const windows = { stream: LIMITS.http2WindowBytes, connection: 65_535 };
  client.on('frame', ({ type, streamId, payload }) => {
    if (type !== FRAME.windowUpdate) return;
    windows[streamId === 0 ? 'connection' : 'stream'] += payload.readUInt32BE(0);
    push();
  });
  let sent = 0;
  const part = PIECE.subarray(0, 16_384);
  function push(): void {
    while (Math.min(windows.stream, windows.connection) >= part.length && sent < 64 * MIB) {
      windows.stream -= part.length;
      windows.connection -= part.length;
      sent += part.length;
      client.send(frame(FRAME.data, 0, 1, part));
    }
  }
  push();
  await untilStill(() => sent, { everyMs: 250 });
  expect(sent).toBeLessThan(32 * MIB);
  expect(windows.stream).toBeLessThan(part.length);
  // The connection's own window stays open for the others.
  expect(windows.connection).toBeGreaterThan(part.length);
  client.send(headersFrame(3, GET));
  await client.first(FRAME.data, 3);
  client.send(frame(FRAME.reset, 0, 1, uint32(8)));
  await eventually(() => summaries.length === 2);
});

it('answers of many requests that are all read at the end are held in their windows', async () => {
  const origin = await httpOrigin((_request, response) => response.end(PIECE));
  const { port } = await startHttp2Gateway({ origin });
  const session = await openSession(port);
  const streams = Array.from({ length: HTTP_LIMITS_DEFAULTS.http2Streams }, () => begin(session));
  await Promise.all(streams.map(async (stream) => headOf(stream).then(() => stream.pause())));
  const answers = await Promise.all(
    streams.map(async (stream) => {
      let size = 0;
      stream.on('data', (bytes: Buffer) => (size += bytes.length));
      stream.resume();
      await once(stream, 'close');
      return size;
    }),
  );
  expect(answers).toEqual(streams.map(() => PIECE.length));
});
