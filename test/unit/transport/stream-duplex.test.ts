import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { describe, expect, it } from '@jest/globals';
import { Client, type buildConnector } from 'undici';

import { LIMITS } from '../../../src/core/limits.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { pumpSocket } from '../../../src/transport/socket-pump.ts';
import { StreamDuplex } from '../../../src/transport/stream-duplex.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { PatternCheck, patternBytes, PatternSource } from '../../support/pattern.ts';
import { portOf } from '../../support/real/port.ts';
import { carry, nothingLeft, type Carried } from './carried.ts';

const MiB = 1024 * 1024;

/** A stream with a duplex at each end. */
async function duplexes(): Promise<{ carried: Carried; left: StreamDuplex; right: StreamDuplex }> {
  const rights: StreamDuplex[] = [];
  const carried = carry((stream) => {
    rights.push(new StreamDuplex(stream));
    stream.accept();
  });
  const left = new StreamDuplex(carried.open());
  await left.accepted();
  const [right] = rights as [StreamDuplex];
  return { carried, left, right };
}

/** All that comes until the end. Unlike an iterator it leaves the other direction alone. */
async function readAll(from: StreamDuplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  from.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(from, 'end');
  return Buffer.concat(chunks);
}

/** How many bytes of the pattern come until the end. */
async function checkAll(from: StreamDuplex): Promise<number> {
  const check = new PatternCheck();
  from.on('data', (chunk: Buffer) => check.push(chunk));
  await once(from, 'end');
  return check.bytes;
}

/** Reads until `bytes` bytes of the pattern came. */
async function checkSome(from: StreamDuplex, bytes: number): Promise<void> {
  const check = new PatternCheck();
  from.on('data', (chunk: Buffer) => check.push(chunk));
  await eventually(() => check.bytes >= bytes);
}

/** The pattern, as a stream of `bytes` bytes. */
function patternStream(bytes: number): Readable {
  const source = new PatternSource();
  let left = bytes;
  return new Readable({
    read(size) {
      const step = Math.min(left, size);
      left -= step;
      this.push(step === 0 ? null : source.next(step));
    },
  });
}

describe('StreamDuplex', () => {
  it('carries bytes both ways, and ends like a socket', async () => {
    const { carried, left, right } = await duplexes();
    left.end('question');
    expect(String(await readAll(right))).toBe('question');
    right.end('answer');
    expect(String(await readAll(left))).toBe('answer');
    await Promise.all([finished(left), finished(right)]);
    expect([left.destroyed, right.destroyed]).toEqual([true, true]);
    await nothingLeft(carried);
  });

  it.each(['left', 'right'] as const)('stays half open after the %s ended', async (first) => {
    const { carried, left, right } = await duplexes();
    const [one, other] = first === 'left' ? [left, right] : [right, left];
    one.end();
    await once(other.resume(), 'end');
    for (let i = 0; i < 3; i += 1) {
      other.write(`${i}`);
      expect(String((await once(one, 'data'))[0])).toBe(`${i}`);
    }
    other.end();
    await finished(one);
    await nothingLeft(carried);
  });

  it('keeps 64 MiB each way at the same time', async () => {
    const { carried, left, right } = await duplexes();
    patternStream(64 * MiB).pipe(left);
    patternStream(64 * MiB).pipe(right);
    const sizes = await Promise.all([checkAll(left), checkAll(right)]);
    expect(sizes).toEqual([64 * MiB, 64 * MiB]);
    await nothingLeft(carried);
  });

  it('a reader that waits holds up the writer, and memory with it', async () => {
    const { carried, left, right } = await duplexes();
    let written = 0;
    const writeOn = (): void => {
      let mayGoOn = true;
      while (mayGoOn && written < 4 * MiB) {
        mayGoOn = left.write(patternBytes(16_384, written));
        written += 16_384;
      }
    };
    left.on('drain', writeOn);
    writeOn();
    await eventually(() => left.stream.bytesSent >= LIMITS.initialWindowBytes);
    await eventually(() => right.stream.bytesReceived >= LIMITS.initialWindowBytes);
    for (let turns = 0; turns < 100; turns += 1) await new Promise((r) => setImmediate(r));
    // A window that nobody reads, the mark up to which Node asks for more, and the writer's own.
    expect(written).toBeLessThan(LIMITS.initialWindowBytes + 4 * 64 * 1024);
    expect(left.writableNeedDrain).toBe(true);
    await checkSome(right, 4 * MiB);
    left.destroy();
    right.on('error', () => undefined);
    await nothingLeft(carried);
  });

  it('one read() returns little, however much waits, and so does each later one', async () => {
    const { carried, left, right } = await duplexes();
    left.end(patternBytes(LIMITS.initialWindowBytes));
    await eventually(() => right.stream.bytesReceived === LIMITS.initialWindowBytes);
    const check = new PatternCheck();
    let largest = 0;
    right.on('readable', () => {
      const chunk: unknown = right.read();
      if (!Buffer.isBuffer(chunk)) return;
      largest = Math.max(largest, chunk.byteLength);
      check.push(chunk);
    });
    await once(right, 'end');
    expect(check.bytes).toBe(LIMITS.initialWindowBytes);
    expect(largest).toBeLessThanOrEqual(LIMITS.dataBytes);
    right.end();
    left.resume();
    await nothingLeft(carried);
  });

  it('a reader that comes and goes, as an HTTP parser does, gets every byte', async () => {
    const { carried, left, right } = await duplexes();
    patternStream(32 * MiB).pipe(left);
    const check = new PatternCheck();
    let isPaused = false;
    let reads = 0;
    const readOn = (): void => {
      while (!isPaused) {
        const chunk: unknown = right.read();
        if (!Buffer.isBuffer(chunk)) return;
        check.push(chunk);
        reads += 1;
        isPaused = reads % 7 === 0;
        if (isPaused) setImmediate(goOn);
      }
    };
    const goOn = (): void => {
      isPaused = false;
      readOn();
    };
    right.on('readable', readOn);
    await once(right, 'end');
    expect(check.bytes).toBe(32 * MiB);
    right.end();
    left.resume();
    await nothingLeft(carried);
  });

  it('a reader that puts back what it did not take gets no more on top of it', async () => {
    const { carried, left, right } = await duplexes();
    patternStream(8 * MiB).pipe(left);
    const check = new PatternCheck();
    let isPaused = false;
    let largest = 0;
    const readOn = (): void => {
      while (!isPaused) {
        const chunk: unknown = right.read();
        if (!Buffer.isBuffer(chunk)) return;
        largest = Math.max(largest, chunk.byteLength);
        check.push(chunk.subarray(0, 8192));
        if (chunk.byteLength <= 8192) continue;
        right.unshift(chunk.subarray(8192));
        isPaused = true;
        setImmediate(() => {
          isPaused = false;
          readOn();
        });
      }
    };
    right.on('readable', readOn);
    await once(right, 'end');
    expect(check.bytes).toBe(8 * MiB);
    expect(largest).toBeLessThanOrEqual(2 * LIMITS.dataBytes);
    right.end();
    left.resume();
    await nothingLeft(carried);
  });

  it('destroying one end resets the other', async () => {
    const { carried, left, right } = await duplexes();
    right.resume();
    left.write('in the middle of');
    const failed = once(right, 'error');
    left.destroy();
    expect((await failed)[0]).toMatchObject({ code: 'STREAM_CANCELLED' });
    await nothingLeft(carried);
  });

  it('destroying with an error tells it to both', async () => {
    const { carried, left, right } = await duplexes();
    const failed = [once(left, 'error'), once(right, 'error')];
    left.destroy(new Error('parse error'));
    const errors = (await Promise.all(failed)).flat();
    expect(errors.map(({ message }) => message)).toEqual(['parse error', 'parse error']);
    await nothingLeft(carried);
  });

  it('a write that waits for the window fails when the duplex is destroyed', async () => {
    for (const error of [undefined, new Error('why')]) {
      const { carried, left, right } = await duplexes();
      left.on('error', () => undefined);
      right.on('error', () => undefined);
      const results: unknown[] = [];
      for (let i = 0; i < 40; i += 1) {
        left.write(patternBytes(65_536), (failed) => results.push(failed?.message));
      }
      await eventually(() => left.stream.bytesSent >= LIMITS.initialWindowBytes);
      left.destroy(error);
      await eventually(() => results.length === 40);
      // All but those that the window took.
      expect(results.filter((result) => result !== undefined)).toHaveLength(37);
      await nothingLeft(carried);
    }
  });

  it('a reset by the other end is an error, and what waits to be written fails', async () => {
    const { carried, left, right } = await duplexes();
    const failed = once(left, 'error');
    const results: unknown[] = [];
    for (let i = 0; i < 40; i += 1) left.write(patternBytes(65_536), (e) => results.push(e));
    right.stream.reset('ORIGIN_RESET', 'the origin went away');
    right.on('error', () => undefined);
    expect((await failed)[0]).toMatchObject({
      code: 'ORIGIN_RESET',
      message: 'the origin went away',
    });
    await eventually(() => results.length === 40);
    expect(left.destroyed).toBe(true);
    await nothingLeft(carried);
  });

  it.each([50_000, 200_000])(
    'what came with the end is read later, and only then the stream is over (%i bytes)',
    async (bytes) => {
      const { carried, left, right } = await duplexes();
      right.end(patternBytes(bytes));
      left.end();
      await once(right.resume(), 'end');
      await eventually(() => left.stream.bytesReceived === bytes);
      expect(left.stream.state).toBe('open');
      expect((await readAll(left)).equals(patternBytes(bytes))).toBe(true);
      await nothingLeft(carried);
    },
  );

  it('destroying one that has ended both ways resets nothing', async () => {
    const { carried, left, right } = await duplexes();
    let failed = false;
    right.on('error', () => (failed = true));
    left.end('x');
    right.end('y');
    left.resume();
    right.resume();
    await finished(left);
    left.destroy();
    await nothingLeft(carried);
    expect(failed).toBe(false);
  });

  it('survives the links under it', async () => {
    const { carried, left, right } = await duplexes();
    patternStream(8 * MiB).pipe(left);
    const check = new PatternCheck();
    let cuts = 0;
    right.on('data', (chunk: Buffer) => {
      check.push(chunk);
      if (check.bytes < cuts * MiB) return;
      cuts += 1;
      carried.ends.connect();
      carried.ends.pairs.at(-2)?.there.cut();
    });
    await once(right, 'end');
    expect([check.bytes, cuts]).toEqual([8 * MiB, 9]);
    right.end();
    left.resume();
    await nothingLeft(carried);
  });
});

describe('StreamDuplex: accepted()', () => {
  it('tells what is known of the origin', async () => {
    const carried = carry((stream) => stream.accept({ alpn: 'h2', origin: 'o' }));
    const duplex = new StreamDuplex(carried.open());
    expect(await duplex.accepted()).toEqual({ alpn: 'h2', origin: 'o' });
    expect(['accept', 'error', 'close'].map((name) => duplex.listenerCount(name))).toEqual([
      0, 0, 0,
    ]);
    duplex.on('error', () => undefined);
    duplex.destroy();
    await nothingLeft(carried);
  });

  it('rejects with the code of the origin', async () => {
    const carried = carry((stream) => stream.reset('ORIGIN_REFUSED', 'nobody listens'));
    const duplex = new StreamDuplex(carried.open());
    await expect(duplex.accepted()).rejects.toMatchObject({ code: 'ORIGIN_REFUSED' });
    await nothingLeft(carried);
  });

  it('rejects when the duplex is destroyed while it waits, with and without an error', async () => {
    const held: Stream[] = [];
    const carried = carry((stream) => void held.push(stream));
    for (const error of [undefined, new Error('timed out')]) {
      const duplex = new StreamDuplex(carried.open());
      const accepted = duplex.accepted();
      duplex.destroy(error);
      await expect(accepted).rejects.toThrow(error?.message ?? 'no longer wanted');
    }
    await nothingLeft(carried);
  });

  it('rejects at once when it is too late', async () => {
    const carried = carry((stream) => stream.reset('ORIGIN_TIMEOUT', 'too slow'));
    const duplex = new StreamDuplex(carried.open());
    await expect(finished(duplex)).rejects.toMatchObject({ code: 'ORIGIN_TIMEOUT' });
    await expect(duplex.accepted()).rejects.toMatchObject({ code: 'ORIGIN_TIMEOUT' });
    await nothingLeft(carried);
  });
});

describe('StreamDuplex under an HTTP client', () => {
  /** An HTTP server, and a client whose connections are streams that lead there. */
  async function http(
    server: Server,
  ): Promise<{ carried: Carried; client: Client; opened: StreamDuplex[] }> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup(() => server.closeAllConnections());
    cleanup(() => server.close());
    const carried = carry((stream) => {
      const socket = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
      const early: Uint8Array[] = [];
      stream.handler = { ...stream.handler, onData: (chunk) => void early.push(chunk) };
      socket.once('connect', () => {
        pumpSocket(socket, stream);
        for (const chunk of early) stream.handler.onData(chunk);
        stream.accept();
      });
    });
    const opened: StreamDuplex[] = [];
    const open: buildConnector.connector = (_options, done) => {
      const duplex = new StreamDuplex(carried.open());
      opened.push(duplex);
      duplex.once('accept', () => done(null, duplex as never));
      duplex.once('error', (error) => done(error, null));
    };
    const client = new Client('http://origin.test', { connect: open, pipelining: 1 });
    cleanup(() => client.destroy());
    return { carried, client, opened };
  }

  it('carries many requests over one stream', async () => {
    const { carried, client, opened } = await http(
      createServer((request, response) => {
        request.pipe(response);
      }),
    );
    for (let i = 0; i < 200; i += 1) {
      const body = `request ${i}`;
      const answer = await client.request({ path: '/', method: 'POST', body });
      expect(await answer.body.text()).toBe(body);
    }
    expect(opened).toHaveLength(1);
    await client.close();
    await nothingLeft(carried);
  });

  it('carries large bodies both ways, and answers without an end that is known', async () => {
    const { carried, client } = await http(
      createServer((request, response) => {
        const check = new PatternCheck();
        request.on('data', (chunk: Buffer) => check.push(chunk));
        request.on('end', () => {
          response.setHeader('received', check.bytes);
          patternStream(16 * MiB).pipe(response);
        });
      }),
    );
    const { headers, body } = await client.request({
      path: '/',
      method: 'PUT',
      body: patternStream(16 * MiB),
    });
    expect(headers['received']).toBe(String(16 * MiB));
    const check = new PatternCheck();
    for await (const chunk of body) check.push(chunk as Buffer);
    expect(check.bytes).toBe(16 * MiB);
    await client.close();
    await nothingLeft(carried);
  });

  it('a server that closes its connection makes the client open another stream', async () => {
    const { carried, client, opened } = await http(
      createServer((_request, response) => {
        response.setHeader('connection', 'close');
        response.end('bye');
      }),
    );
    for (let i = 0; i < 3; i += 1) {
      const { body } = await client.request({ path: '/', method: 'GET' });
      expect(await body.text()).toBe('bye');
    }
    expect(opened).toHaveLength(3);
    await client.close();
    await nothingLeft(carried);
  });

  it('a request that is given up in the middle of its answer ends the stream at the origin', async () => {
    const gone: Promise<unknown>[] = [];
    const { carried, client } = await http(
      createServer((_request, response) => {
        gone.push(once(response, 'close'));
        patternStream(64 * MiB).pipe(response);
      }),
    );
    const { body } = await client.request({ path: '/', method: 'GET' });
    await once(body, 'readable');
    body.destroy();
    body.on('error', () => undefined);
    await eventually(() => gone.length === 1);
    await gone[0];
    await client.destroy();
    await nothingLeft(carried);
  });
});
