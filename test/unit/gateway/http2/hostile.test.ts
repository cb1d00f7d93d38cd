/** What hostile users of HTTP/2 get, case by case, with an origin that says what reached it. */
import { describe, expect, it } from '@jest/globals';
import { HTTP_LIMITS_DEFAULTS } from '../../../../src/config/http-limits.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FLAG, FRAME, frame, uint32 } from '../../../support/http2-bytes.js';
import { CODE, fields, headersFrame, type Frame } from '../../../support/http2-frames.ts';
import { httpOrigin, type Gateway } from '../http/http-fixture.ts';
import { GET, ask, begin, openFrames, openSession, startHttp2Gateway } from './http2-fixture.ts';

type Field = readonly [string, string];

interface Lab extends Gateway {
  /** Paths that reached the origin. */
  readonly reached: string[];
  /** Fields that reached it. */
  readonly lines: string[];
  /** Requests that the origin got whole. */
  readonly whole: string[];
  readonly clock: FakeClock;
}

async function startLab(): Promise<Lab> {
  const reached: string[] = [];
  const lines: string[] = [];
  const whole: string[] = [];
  const clock = new FakeClock();
  const origin = await httpOrigin((request, response) => {
    const { url = '' } = request;
    reached.push(url);
    const { rawHeaders } = request;
    rawHeaders.forEach((name, at) => at % 2 === 0 && lines.push(`${name}: ${rawHeaders[at + 1]}`));
    request.on('error', () => undefined);
    request.on('end', () => {
      whole.push(url);
      if (url !== '/hang') response.end('ok');
    });
    request.resume();
  });
  return { ...(await startHttp2Gateway({ origin, clock })), reached, lines, whole, clock };
}

/** A second user is served as if nothing had happened. */
async function expectHealthy(port: number): Promise<void> {
  expect(await ask(await openSession(port), { ':path': '/after' })).toMatchObject({ status: 200 });
}

describe('a head that could be read in two ways is refused', () => {
  const answered: [string, Record<string, string>, number, string?][] = [
    ['P12 a Host field beside another :authority', { host: 'other.test' }, 421],
    ['P12 another authority than TLS was asked for', { ':authority': 'other.test' }, 421],
    ['P17 TRACE', { ':method': 'TRACE' }, 405],
    ['P21 a backslash in the path', { ':path': '/a\\b' }, 400],
    ['P22 a raw # in the path', { ':path': '/a#b' }, 400],
    ['a scheme that is not that of the connection', { ':scheme': 'http' }, 400],
    ['an Expect that nobody knows', { expect: 'tea' }, 417],
  ];

  it.each(answered)('%s', async (_name, changes, status) => {
    const { port, reached, summaries } = await startLab();
    const session = await openSession(port);
    expect(await ask(session, changes)).toMatchObject({ status });
    expect(reached).toEqual([]);
    expect(summaries).toHaveLength(1);
    expect(summaries[0]).toMatchObject({ status });
    // One stream is refused, not the connection.
    expect(await ask(session)).toMatchObject({ status: 200 });
  });

  const without = (name: string): Field[] => GET.filter(([known]) => known !== name);
  const reset: [string, readonly Field[]][] = [
    ['P1 Transfer-Encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['P2 two lengths', [...GET, ['content-length', '1'], ['content-length', '2']]],
    ['P2 +2', [...GET, ['content-length', '+2']]],
    ['P6 a line break in the path', [...without(':path'), [':path', '/a\r\nX: y']]],
    ['P22 a space in the path', [...without(':path'), [':path', '/a b']]],
    ['P9 two :authority', [...GET, [':authority', 'other.test']]],
    ['P10 absolute-form', [...without(':path'), [':path', 'https://other.test/']]],
    ['P15 Upgrade', [...GET, ['upgrade', 'h2c']]],
    ['P17 CONNECT with a path', [...without(':method'), [':method', 'CONNECT']]],
    ['P20 Connection', [...GET, ['connection', 'x-forwarded-for']]],
    ['P20 Keep-Alive', [...GET, ['keep-alive', '5']]],
    ['P20 TE other than trailers', [...GET, ['te', 'gzip']]],
    ['capital letters in a name', [...GET, ['X-A', 'b']]],
    ['a pseudo field after the others', [...GET, ['a', 'b'], [':path', '/']]],
    ['a pseudo field that nobody knows', [[':path', '/'], ...GET.slice(0, 3), [':x', 'y']]],
    ['no :path', without(':path')],
    ['no :method', without(':method')],
    ['no :scheme', without(':scheme')],
  ];

  it.each(reset)('%s', async (_name, head) => {
    const { port, reached } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, head));
    expect(await client.resetCode(1)).toBe(CODE.protocol);
    client.send(headersFrame(3, GET));
    await client.first(FRAME.data, 3);
    expect(reached).toEqual(['/']);
  });

  it.each<[string, Field]>([
    ['P6 a line break in a value', ['x-a', 'b\r\nx-c: d']],
    ['P6 NUL in a value', ['x-a', 'b\0c']],
    ['P6 a space in a name', ['x a', 'b']],
  ])('%s: the field goes no further', async (_name, field) => {
    const { port, reached, lines } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, [...GET, field, ['x-last', 'kept']]));
    await client.first(FRAME.data, 1);
    expect(reached).toEqual(['/']);
    expect(lines.filter((line) => line.startsWith('x'))).toEqual(
      expect.arrayContaining(['x-last: kept']),
    );
    expect(lines.join('\n')).not.toMatch(/x-a|x-c|x a/);
  });

  it('P9 a field twice that says one thing', async () => {
    const { port, reached, summaries } = await startLab();
    const client = await openFrames(port);
    const credentials = ['Basic YTph', 'Basic Yjpi'].map(
      (value) => ['authorization', value] as const,
    );
    client.send(headersFrame(1, [...GET, ...credentials]));
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ status: 400, code: 'HTTP_BAD_REQUEST' });
    client.send(headersFrame(3, GET));
    await client.first(FRAME.data, 3);
    expect(reached).toEqual(['/']);
  });

  it('P11 no :authority and no Host', async () => {
    const { port, reached } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, without(':authority')));
    await eventually(() => client.frames.some(({ streamId }) => streamId === 1));
    expect(reached).toEqual([]);
  });

  it('P17 CONNECT', async () => {
    const { port, reached, summaries } = await startLab();
    const client = await openFrames(port);
    client.send(
      headersFrame(1, [
        [':method', 'CONNECT'],
        [':authority', 'app.test:22'],
      ]),
    );
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ status: 405 });
    expect(reached).toEqual([]);
  });
});

describe('P33 requests that are given up at once', () => {
  const burst = (from: number, count: number, path = '/hang'): Buffer[] =>
    Array.from({ length: count }, (_, index) => {
      const id = from + index * 2;
      const head = [...GET.slice(0, 3), [':path', path] as const];
      return Buffer.concat([
        headersFrame(id, head),
        frame(FRAME.reset, 0, id, uint32(CODE.cancel)),
      ]);
    });

  it('cost the connection, and nobody else', async () => {
    const { port, reached, logLines, handler } = await startLab();
    const client = await openFrames(port);
    client.send(...burst(1, LIMITS.http2Resets + 1));
    expect(await client.goawayCode()).toBe(CODE.calm);
    await client.closed();
    expect(reached.length).toBeLessThanOrEqual(LIMITS.http2Resets);
    expect(logLines.some((line) => line.includes('too many requests were given up'))).toBe(true);
    await expectHealthy(port);
    expect(handler.stats).toMatchObject({ requests: 0 });
  });

  it('in the same breath reach no origin', async () => {
    const { port, reached } = await startLab();
    const client = await openFrames(port);
    client.send(...burst(1, 100));
    client.send(headersFrame(201, GET));
    await client.first(FRAME.data, 201);
    expect(reached).toEqual(['/']);
  });

  it('are let go when they come slowly', async () => {
    const { port, clock } = await startLab();
    const client = await openFrames(port);
    // Never more than may be open at once: newer versions of Node count what they have not put away yet.
    for (let round = 0; round < 9; round += 1) {
      const last = 201 + round * 202;
      client.send(...burst(1 + round * 202, 100));
      client.send(headersFrame(last, GET));
      // oxlint-disable-next-line no-await-in-loop
      await client.first(FRAME.data, last);
      clock.run(10_000);
    }
    expect(client.frames.some(({ type }) => type === FRAME.goaway)).toBe(false);
  });

  it('by frames that make the server reset them cost the connection at once (MadeYouReset)', async () => {
    const { port } = await startLab();
    const client = await openFrames(port);
    client.send(
      headersFrame(1, [...GET.slice(0, 3), [':path', '/hang']]),
      // A window update of nothing is an error of the stream (RFC 9113 §6.9).
      frame(FRAME.windowUpdate, 0, 1, uint32(0)),
    );
    await client.closed();
    await expectHealthy(port);
  });
});

describe('P34 floods of frames', () => {
  it.each([
    ['PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', frame(FRAME.settings, 0, 0)],
  ])('of %s end the connection', async (_name, one) => {
    const { port } = await startLab();
    const client = await openFrames(port);
    client.send(...Array.from({ length: LIMITS.http2ControlFrames + 5 }, () => one));
    expect(await client.goawayCode()).toBe(CODE.calm);
    await client.closed();
    await expectHealthy(port);
  });

  it('a head that never ends is cut off (CONTINUATION)', async () => {
    const { port, reached } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, GET, FLAG.endStream));
    const part = frame(FRAME.continuation, 0, 1, fields([['x-a', 'b'.repeat(16_000)]]));
    client.send(...Array.from({ length: 20 }, () => part));
    expect(await client.goawayCode()).not.toBe(CODE.none);
    await client.closed();
    expect(reached).toEqual([]);
    await expectHealthy(port);
  });

  it('a broken frame costs the connection, also where Node forgets about it', async () => {
    const { port, clock, handler } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, [...GET.slice(0, 3), [':path', '/hang']]));
    await eventually(() => handler.stats.requests === 1);
    client.send(frame(FRAME.data, 0, 0, Buffer.alloc(5)));
    expect(await client.goawayCode()).toBe(CODE.protocol);
    for (let round = 0; round <= LIMITS.http2SilentRounds + 1; round += 1) {
      clock.run(LIMITS.http2WatchMs);
    }
    await client.closed();
    await eventually(() => handler.stats.connections === 0 && handler.stats.requests === 0);
  });

  it('a user who waits in silence is asked for a sign of life and stays', async () => {
    const { port, clock, handler } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, [...GET.slice(0, 3), [':path', '/hang']]));
    await eventually(() => handler.stats.requests === 1);
    let pings = 0;
    client.on('frame', ({ type, flags, payload }: Frame) => {
      if (type !== FRAME.ping || flags !== 0) return;
      pings += 1;
      client.send(frame(FRAME.ping, FLAG.ack, 0, payload));
    });
    for (let round = 0; round < 3 * LIMITS.http2SilentRounds; round += 1) {
      const before = pings;
      clock.run(2 * LIMITS.http2WatchMs);
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => pings > before);
      // oxlint-disable-next-line no-await-in-loop
      await ask(await openSession(port));
    }
    expect(handler.stats.requests).toBe(1);
  });
});

describe('a head that is too large', () => {
  /** HEADERS and CONTINUATION frames for so many fields of so many bytes. */
  const large = (count: number, bytes: number): Buffer[] => {
    const list = Array.from({ length: count }, (_, at) => [`x-${at}`, 'a'.repeat(bytes)] as const);
    const block = fields(list);
    const parts = Array.from({ length: Math.ceil(block.length / 16_384) }, (_, at) =>
      block.subarray(at * 16_384, (at + 1) * 16_384),
    );
    const isLast = (at: number): boolean => at === parts.length - 1;
    return [
      headersFrame(1, GET, FLAG.endStream),
      ...parts.map((part, at) =>
        frame(FRAME.continuation, isLast(at) ? FLAG.endHeaders : 0, 1, part),
      ),
    ];
  };

  it('gets 431', async () => {
    const { port, reached, summaries } = await startLab();
    const client = await openFrames(port);
    client.send(...large(3, 12_000));
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ status: 431, code: 'HTTP_TOO_LARGE' });
    client.send(headersFrame(3, GET));
    await client.first(FRAME.data, 3);
    expect(reached).toEqual(['/']);
  });

  it('is let through just below, with as many cookies as browsers have', async () => {
    const { port, lines } = await startLab();
    const session = await openSession(port);
    const cookie = Array.from({ length: 180 }, (_, at) => `name-${at}=${'v'.repeat(60)}`);
    expect(await ask(session, { cookie })).toMatchObject({ status: 200 });
    expect(lines).toContain(`cookie: ${cookie.join('; ')}`);
  });

  it('is reset where it has too many fields', async () => {
    const { port, reached } = await startLab();
    const client = await openFrames(port);
    client.send(...large(LIMITS.http2HeaderFields + 1, 1));
    expect(await client.resetCode(1)).toBe(CODE.calm);
    expect(reached).toEqual([]);
  });
});

describe('P31 a connection that', () => {
  it('makes no request is closed', async () => {
    const { port, clock, handler } = await startLab();
    const client = await openFrames(port);
    await client.first(FRAME.settings);
    clock.run(HTTP_LIMITS_DEFAULTS.headerTimeoutMs);
    expect(await client.goawayCode()).toBe(CODE.none);
    await client.closed();
    await eventually(() => {
      clock.run(LIMITS.http2LingerMs);
      return handler.stats.connections === 0;
    });
  });

  it('never finishes its first head is closed', async () => {
    const { port, clock, handler } = await startLab();
    const client = await openFrames(port);
    client.send(headersFrame(1, GET, FLAG.endStream));
    await client.first(FRAME.settings);
    clock.run(HTTP_LIMITS_DEFAULTS.headerTimeoutMs);
    await client.closed();
    await eventually(() => {
      clock.run(LIMITS.http2LingerMs);
      return handler.stats.connections === 0;
    });
  });

  it('has had no request for a while is closed, and one that has stays', async () => {
    const { port, clock, handler } = await startLab();
    const idle = await openSession(port);
    const busy = await openSession(port);
    await Promise.all([ask(idle), ask(busy)]);
    const hanging = begin(busy, { ':path': '/hang' });
    await eventually(() => handler.stats.requests === 1);
    for (let ms = 0; ms < HTTP_LIMITS_DEFAULTS.idleTimeoutMs; ms += LIMITS.http2WatchMs) {
      clock.run(LIMITS.http2WatchMs);
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => void busy.ping(() => resolve()));
    }
    await eventually(() => idle.closed);
    expect(busy.closed).toBe(false);
    expect(hanging.closed).toBe(false);
  });
});

describe('more requests than the limit', () => {
  const head = [...GET.slice(0, 3), [':path', '/hang'] as const];
  const ids = Array.from({ length: HTTP_LIMITS_DEFAULTS.http2Streams + 3 }, (_, at) => 1 + at * 2);

  it('are refused where the limit was not known yet, so that they can be tried again', async () => {
    const { port, handler } = await startLab();
    const client = await openFrames(port);
    client.send(...ids.map((id) => headersFrame(id, head)));
    expect(await client.resetCode(ids.at(-1) ?? 0)).toBe(CODE.refused);
    expect(handler.stats.requests).toBe(HTTP_LIMITS_DEFAULTS.http2Streams);
  });

  it('cost the connection where it was known', async () => {
    const { port, handler } = await startLab();
    const client = await openFrames(port);
    // Acknowledged when it has come.
    await client.first(FRAME.settings);
    client.send(headersFrame(1, head));
    await eventually(() => handler.stats.requests === 1);
    client.send(...ids.slice(1).map((id) => headersFrame(id, head)));
    await client.closed();
    await eventually(() => handler.stats.requests === 0);
    await expectHealthy(port);
  });
});

it('P1 a body that is longer or shorter than its Content-Length never counts as whole', async () => {
  const { port, whole } = await startLab();
  const head: Field[] = [[':method', 'POST'], ...GET.slice(1), ['content-length', '5']];
  const lies = [
    [
      headersFrame(1, head, FLAG.endHeaders),
      frame(FRAME.data, FLAG.endStream, 1, Buffer.from('abc')),
    ],
    [headersFrame(1, head, FLAG.endHeaders), frame(FRAME.data, 0, 1, Buffer.from('abcdefg'))],
    [headersFrame(1, head, FLAG.endStream | FLAG.endHeaders)],
  ];
  for (const lie of lies) {
    // oxlint-disable-next-line no-await-in-loop
    const client = await openFrames(port);
    client.send(...lie);
    // Newer versions of Node end the connection with it.
    const { reset, goaway } = FRAME;
    const isRefusal = ({ type }: { type: number }): boolean => type === reset || type === goaway;
    // oxlint-disable-next-line no-await-in-loop
    await eventually(() => client.frames.some(isRefusal));
  }
  await expectHealthy(port);
  expect(whole).toEqual(['/after']);
});

it.each([CODE.none, CODE.cancel])(
  'a body that its user breaks off with code %i never counts as whole',
  async (code) => {
    const { port, whole, reached, summaries } = await startLab();
    const client = await openFrames(port);
    for (const [id, method] of [
      [1, 'POST'],
      [3, 'HEAD'],
    ] as const) {
      client.send(
        headersFrame(id, [[':method', method], ...GET.slice(1)], FLAG.endHeaders),
        frame(FRAME.data, 0, id, Buffer.from('half')),
      );
      const before = id === 1 ? 0 : 1;
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => reached.length > before);
      client.send(frame(FRAME.reset, 0, id, uint32(code)));
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => summaries.length > before);
    }
    expect(whole).toEqual([]);
    expect(summaries).toMatchObject([{ code: 'HTTP_ABORTED' }, { code: 'HTTP_ABORTED' }]);
  },
);
