import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import { httpOrigin, responseTo, startGateway, startRequest, textOf } from './http-fixture.ts';

const MiB = 1024 * 1024;
const TOTAL = 256 * MiB;
/** The collector takes its time: it lets 64 MiB of what is dead come together. */
/** Newer versions of V8 collect what is outside their heap later: 138 MiB were seen. */
const FLAT = (Number.parseInt(process.versions.node, 10) > 20 ? 176 : 128) * MiB;

/** By how much the memory of this process, both ends and the gateway, grows at most while `run` runs. */
async function peakOf(run: () => Promise<void>): Promise<number> {
  const start = usedBytes();
  let peak = start;
  const timer = setInterval(() => (peak = Math.max(peak, usedBytes())), 5);
  await run();
  clearInterval(timer);
  return peak - start;
}

function usedBytes(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

describe('memory', () => {
  it('stays flat while a slow reader downloads 256 MiB', async () => {
    let written = 0;
    const block = Buffer.alloc(256 * 1024, 'x');
    const origin = await httpOrigin((_request, response) => {
      response.setHeader('Content-Length', TOTAL);
      const pump = (): void => {
        while (written < TOTAL) {
          written += block.length;
          if (!response.write(block)) {
            response.once('drain', pump);
            return;
          }
        }
        response.end();
      };
      pump();
    });
    const { port, handler } = await startGateway({ origin });
    const response = await responseTo(startRequest(port).end());
    // Nobody reads: the origin is held up once the sockets on the way are full.
    let before = -1;
    await eventually(
      () => {
        const isStill = written === before;
        before = written;
        return isStill;
      },
      { everyMs: 200 },
    );
    expect(written).toBeLessThan(24 * MiB);
    let received = 0;
    const peak = await peakOf(async () => {
      for await (const chunk of response) received += Buffer.byteLength(chunk);
    });
    expect(received).toBe(TOTAL);
    expect(peak).toBeLessThan(FLAT);
    await eventually(() => handler.stats.origins.idle === 1);
  });

  it('stays flat while 256 MiB are uploaded in chunks to a slow origin', async () => {
    let received = 0;
    const origin = await httpOrigin((request, response) => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
        request.pause();
        setImmediate(() => request.resume());
      });
      request.on('end', () => response.end(String(received)));
    });
    const { port } = await startGateway({ origin });
    const request = startRequest(port, { method: 'PUT' });
    const block = Buffer.alloc(256 * 1024, 'x');
    const peak = await peakOf(async () => {
      for (let sent = 0; sent < TOTAL; sent += block.length) {
        if (!request.write(block)) await once(request, 'drain');
      }
      request.end();
      expect(await textOf(await responseTo(request))).toBe(String(TOTAL));
    });
    expect(peak).toBeLessThan(FLAT);
  });
});
