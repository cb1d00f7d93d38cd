/** Reads into shared memory: that this version of Node does it, for every kind of socket, and in order. */
import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls';

import { describe, expect, it } from '@jest/globals';

import { lendReads } from '../../../src/transport/lent-reads.ts';
import { cleanup } from '../../support/cleanup.ts';
import { PatternCheck, patternBytes } from '../../support/pattern.ts';
import { portOf } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { makeCertificates } from '../../support/test-authority.ts';

const MiB = 1024 * 1024;

interface Ends {
  readonly accepted: Socket;
  readonly dialled: Socket;
}

async function ends(kind: 'tcp' | 'unix' | 'tls'): Promise<Ends> {
  const certificates = await makeCertificates();
  const path = join(tempDir('lent'), 'socket');
  const server = kind === 'tls' ? createTlsServer(certificates.good) : createServer();
  server.listen(kind === 'unix' ? { path } : { port: 0, host: 'localhost' });
  await once(server, 'listening');
  const connection = once(server, kind === 'tls' ? 'secureConnection' : 'connection');
  const to = { port: kind === 'unix' ? 0 : portOf(server), host: 'localhost' };
  const dialled =
    kind === 'tls'
      ? connectTls({ ...to, ca: certificates.ca })
      : connect(kind === 'unix' ? { path } : to);
  const [accepted] = (await connection) as [Socket];
  server.close();
  cleanup(() => accepted.destroy());
  cleanup(() => dialled.destroy());
  return { accepted, dialled };
}

/** Resolves when `reader` got `bytes` of the pattern, all of them lent. */
function gotLent(reader: Socket, bytes: number): Promise<void> {
  const check = new PatternCheck();
  return new Promise((resolve, reject) => {
    reader.on('data', () => reject(new Error('bytes came with data, not lent')));
    const isLent = lendReads(reader, (lent) => {
      check.push(lent);
      if (check.bytes === bytes) resolve();
      return true;
    });
    if (!isLent) reject(new Error('this version of Node does not lend reads'));
  });
}

describe('lendReads()', () => {
  it.each(['tcp', 'unix', 'tls'] as const)('lends what comes over %s, both ways', async (kind) => {
    const { accepted, dialled } = await ends(kind);
    const got = [gotLent(accepted, 3 * MiB), gotLent(dialled, 3 * MiB)];
    for (const socket of [accepted, dialled]) socket.write(patternBytes(3 * MiB));
    await Promise.all(got);
  });

  it('reads no more once it was told so, until resume()', async () => {
    const { accepted, dialled } = await ends('tcp');
    const check = new PatternCheck();
    let calls = 0;
    let isStopped = false;
    const whole = new Promise<void>((resolve, reject) => {
      lendReads(accepted, (lent) => {
        if (isStopped) reject(new Error('read on'));
        check.push(lent);
        calls += 1;
        if (check.bytes === 2 * MiB) resolve();
        isStopped = true;
        // Two turns of the event loop, in which a socket that reads would read.
        setImmediate(() => setImmediate(() => ((isStopped = false), accepted.resume())));
        return false;
      });
    });
    dialled.write(patternBytes(2 * MiB));
    await whole;
    expect(calls).toBeGreaterThan(10);
  });

  it('keeps the order with what was read before it', async () => {
    const { accepted, dialled } = await ends('tcp');
    dialled.write(patternBytes(1_000));
    await once(accepted, 'readable');
    const check = new PatternCheck();
    const whole = new Promise<void>((resolve) => {
      const take = (bytes: Buffer): boolean => {
        check.push(bytes);
        if (check.bytes === 1_000 + MiB) resolve();
        return true;
      };
      dialled.write(patternBytes(MiB, 1_000), () => lendReads(accepted, take));
    });
    await whole;
  });

  it('still tells of the end', async () => {
    const { accepted, dialled } = await ends('tcp');
    const got = gotLent(accepted, 10);
    dialled.end(patternBytes(10));
    await got;
    await once(accepted, 'end');
  });

  it('says that it cannot where a socket has nothing to read from', () => {
    expect(lendReads(new Socket(), () => true)).toBe(false);
    expect(lendReads(new TLSSocket(new PassThrough()), () => true)).toBe(true);
  });
});
