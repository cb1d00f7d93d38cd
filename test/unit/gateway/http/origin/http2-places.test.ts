import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../../../src/core/error.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { Http2Connection } from '../../../../../src/gateway/http/origin/http2-connection.ts';
import { Http2Places } from '../../../../../src/gateway/http/origin/http2-places.ts';
import { OriginConnection } from '../../../../../src/gateway/http/origin/origin-connection.ts';
import { systemClock } from '../../../../../src/core/clock.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { dial, httpOrigin } from '../http-fixture.ts';
import { http2Origin } from './http2-fixture.ts';

const REQUEST = { requestId: 'r', client: { address: '127.0.0.1', port: 1 } };

/** Places on connections to an origin that takes so many requests at once, and how often it was dialled. */
async function placesAt(most: number): Promise<{ places: Http2Places; dials: () => number }> {
  const origin = await http2Origin(() => undefined, { settings: { maxConcurrentStreams: most } });
  const opened: Promise<Http2Connection>[] = [];
  const open = async (): Promise<Http2Connection> =>
    Http2Connection.open(await dial(origin.port), {
      scheme: 'http',
      clock: systemClock,
      idleMs: 60_000,
      headersTimeoutMs: 0,
      onBusy: () => undefined,
      onRoom: () => places.serve(),
      onGone: (gone) => places.remove(gone),
    });
  const places: Http2Places = new Http2Places(async () => {
    opened.push(open());
    return opened.at(-1) as Promise<Http2Connection>;
  });
  // Some may be opened that nobody needs any more.
  cleanup(async () => {
    for (const connection of await Promise.all(opened)) connection.destroy();
  });
  return { places, dials: () => opened.length };
}

describe('Http2Places', () => {
  it('opens as many connections as the waiting need, by what the origin took the last time', async () => {
    const { places, dials } = await placesAt(10);
    // Nothing is known yet: as many as it may take.
    const first = await Promise.all(Array.from({ length: 30 }, async () => places.get(REQUEST)));
    expect(dials()).toBe(3);
    for (const place of first) place.discard();
    await Promise.all(Array.from({ length: 30 }, async () => places.get(REQUEST)));
    expect(dials()).toBe(3);
    expect(places.take()).toBeUndefined();
    await Promise.all(Array.from({ length: 11 }, async () => places.get(REQUEST)));
    expect(dials()).toBe(5);
  });

  it('gives a place that becomes free to who waits the longest', async () => {
    const { places } = await placesAt(1);
    const held = await places.get(REQUEST);
    const order: number[] = [];
    const waiting = [1, 2].map(async (number) => {
      const place = await places.get(REQUEST);
      order.push(number);
      return place;
    });
    held.discard();
    for (const place of await Promise.all(waiting)) place.discard();
    expect(order).toEqual([1, 2]);
  });

  it('opens a connection for each where the origin speaks HTTP/1.1', async () => {
    const port = await httpOrigin((_request, response) => response.end());
    let dials = 0;
    const places = new Http2Places(async () => {
      dials += 1;
      const connection = new OriginConnection(await dial(port), {
        idleMs: 60_000,
        headersTimeoutMs: 0,
        onIdle: () => undefined,
        onGone: () => undefined,
      });
      cleanup(() => connection.destroy());
      return connection;
    });
    const got = await Promise.all(Array.from({ length: 5 }, async () => places.get(REQUEST)));
    expect(new Set(got).size).toBe(5);
    expect(dials).toBe(5);
    expect(places.isUnused).toBe(true);
  });

  it('fails those that would have gone over a connection which cannot be opened, and tries for the others', async () => {
    let dials = 0;
    const places = new Http2Places(async () => {
      dials += 1;
      throw new PosternError('ORIGIN_REFUSED', 'Cannot reach the origin');
    });
    const asked = LIMITS.originHttp2Streams + 1;
    const results = await Promise.allSettled(
      Array.from({ length: asked }, async () => places.get(REQUEST)),
    );
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(dials).toBe(2);
    expect(places.isUnused).toBe(true);
  });

  it('lets no more wait than its limit', async () => {
    let open: () => void = () => undefined;
    const places = new Http2Places(
      async () =>
        new Promise((_resolve, reject) => {
          open = () => reject(new PosternError('ORIGIN_REFUSED', 'Cannot reach the origin'));
        }),
      3,
    );
    const waiting = Array.from({ length: 3 }, async () => places.get(REQUEST));
    await expect(places.get(REQUEST)).rejects.toMatchObject({ code: 'STREAM_LIMIT' });
    open();
    const results = await Promise.allSettled(waiting);
    expect(results.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  });
});
