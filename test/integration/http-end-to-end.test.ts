/**
 * nginx through the whole tunnel as browsers and programs use it: many requests over kept connections, each answered
 * with its own body, and the answers without a body or with a part of it.
 */
import { Agent } from 'node:https';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'undici';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { answerTo, ask, bodyOf, type AskOptions } from '../support/https-client.ts';
import { patternBytes } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startNginx, type Nginx } from '../support/real/nginx.ts';
import { say } from '../support/say.ts';

const NGINX = 'nginx.postern.test';

const REQUESTS = 10_000;
const CONNECTIONS = 64;
const FILES = 61;

let gateway: Gateway;
let connector: Connector;
let nginx: Nginx;

beforeAll(async () => {
  nginx = await startNginx({
    server: ['location = /connections { stub_status; }', 'location = /none { return 204; }'],
  });
  ({ gateway, connector } = await startPostern({
    ingress: [{ hostname: NGINX, service: nginx.service }],
  }));
  guardLinks(connector);
});

describe('many requests', () => {
  it(`${REQUESTS} over ${CONNECTIONS} kept connections are answered, each with its own body`, async () => {
    const files = makeFiles();
    const { pool, opened, closed } = openPool();
    const acceptedBefore = await acceptedByNginx();
    let next = 0;
    const askOn = async (): Promise<void> => {
      while (next < REQUESTS) {
        const number = next++ % FILES;
        const path = `/file-${number}`;
        const { statusCode, body } = await pool.request({
          method: 'GET',
          path,
          headers: { host: NGINX },
        });
        const bytes = Buffer.from(await body.arrayBuffer());
        const isRight = files[number]?.equals(bytes) === true;
        if (statusCode !== 200 || !isRight)
          throw new Error(
            `Cannot accept the answer to ${path}: ${statusCode}, ${bytes.byteLength} bytes`,
          );
      }
    };
    const since = performance.now();
    await Promise.all(Array.from({ length: CONNECTIONS }, askOn));
    const seconds = (performance.now() - since) / 1000;
    say(`${REQUESTS} requests in ${seconds.toFixed(1)} s, every body compared`);
    expect({ opened: opened(), closed: closed() }).toEqual({ opened: CONNECTIONS, closed: 0 });
    // One more is the question itself.
    const accepted = (await acceptedByNginx()) - acceptedBefore - 1;
    expect(accepted).toBeLessThanOrEqual(CONNECTIONS);
    const good = { status_class: '2xx' };
    await eventually(async () => {
      const answered = await gateway.metric('postern_gateway_http_requests_total', good);
      return answered >= REQUESTS;
    });
  }, 120_000);
});

function makeFiles(): Buffer[] {
  return Array.from({ length: FILES }, (_, number) => {
    // From one byte to 64 KiB, each from a place of its own in the pattern.
    const bytes = patternBytes(
      1 + Math.round((number / (FILES - 1)) ** 3 * 65_535),
      number * 100_000,
    );
    writeFileSync(join(nginx.root, `file-${number}`), bytes);
    return bytes;
  });
}

/** A client that keeps its connections, and how many it has opened and lost. */
function openPool(): {
  readonly pool: Pool;
  readonly opened: () => number;
  readonly closed: () => number;
} {
  const { port, ca, servername } = gateway.connectOptions(NGINX);
  const pool = new Pool(`https://127.0.0.1:${port}`, {
    connections: CONNECTIONS,
    connect: { ca, servername },
  });
  cleanup(() => pool.destroy());
  let opened = 0;
  let closed = 0;
  pool.on('connect', () => (opened += 1));
  pool.on('disconnect', () => (closed += 1));
  return { pool, opened: () => opened, closed: () => closed };
}

/** How many connections nginx has accepted so far, not counting the one that asks. */
async function acceptedByNginx(): Promise<number> {
  const response = await fetch(`${nginx.service}/connections`, {
    headers: { connection: 'close' },
  });
  const [, accepted] = /accepts handled requests\s+(\d+)/.exec(await response.text()) ?? [];
  return Number(accepted);
}

describe('nginx', () => {
  const size = 100_000;
  const body = patternBytes(size);
  beforeAll(() => writeFileSync(join(nginx.root, 'ranged'), body));

  const get = (headers: Record<string, string>): ReturnType<Gateway['fetch']> =>
    gateway.fetch(NGINX, '/ranged', { headers });

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=50000-59999', 50_000, 60_000],
    ['bytes=-1', size - 1, size],
    ['bytes=99999-', size - 1, size],
  ])('answers the range %s with that part', async (range, from, to) => {
    const answer = await get({ range });
    expect(answer).toMatchObject({ status: 206, headers: { 'content-length': String(to - from) } });
    expect(answer.headers['content-range']).toBe(`bytes ${from}-${to - 1}/${size}`);
    expect(answer.body.equals(body.subarray(from, to))).toBe(true);
  });

  it('answers several ranges as parts, each whole', async () => {
    const answer = await get({ range: 'bytes=0-99,50000-50099,-100' });
    expect(answer.status).toBe(206);
    const type = answer.headers['content-type'] ?? '';
    const [, boundary = ''] = /^multipart\/byteranges; boundary=(\S+)$/.exec(type) ?? [];
    const parts = partsOf(answer.body, boundary);
    expect(parts.map(({ range }) => range)).toEqual([
      `bytes 0-99/${size}`,
      `bytes 50000-50099/${size}`,
      `bytes ${size - 100}-${size - 1}/${size}`,
    ]);
    const wanted = [body.subarray(0, 100), body.subarray(50_000, 50_100), body.subarray(-100)];
    expect(parts.map((part, index) => wanted[index]?.equals(part.bytes))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('refuses a range beyond the end', async () => {
    const { status, headers } = await get({ range: `bytes=${size}-` });
    expect([status, headers['content-range']]).toEqual([416, `bytes */${size}`]);
  });

  it('answers 304 without a body to who has it already, and the whole to who has another', async () => {
    const first = await get({});
    const etag = first.headers.etag ?? '';
    expect(etag).not.toBe('');
    const again = await get({ 'if-none-match': etag });
    expect(again).toMatchObject({ status: 304, headers: { etag } });
    expect(again.body).toHaveLength(0);
    const other = await get({ 'if-none-match': '"another"' });
    expect([other.status, other.body.equals(body)]).toEqual([200, true]);
    const since = first.headers['last-modified'] ?? '';
    expect(await get({ 'if-modified-since': since })).toMatchObject({ status: 304 });
  });

  it('is asked for a head, nothing and a body in turn over one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanup(() => agent.destroy());
    const turn = async (path: string, options: AskOptions): Promise<unknown[]> => {
      const asked = ask(gateway, NGINX, path, { ...options, agent });
      const response = await answerTo(asked.end());
      const { length } = await bodyOf(response);
      const { statusCode, headers } = response;
      return [asked.reusedSocket, statusCode, headers['content-length'], length];
    };
    const [head, whole] = [{ method: 'HEAD' }, {}];
    expect(await turn('/ranged', head)).toEqual([false, 200, String(size), 0]);
    expect(await turn('/ranged', whole)).toEqual([true, 200, String(size), size]);
    expect(await turn('/none', whole)).toEqual([true, 204, undefined, 0]);
    expect(await turn('/nowhere', head)).toMatchObject([true, 404, expect.any(String), 0]);
    const { headers: known } = await get({});
    const headers = { 'if-none-match': known.etag ?? '' };
    expect(await turn('/ranged', { headers })).toEqual([true, 304, undefined, 0]);
    expect(await turn('/ranged', whole)).toEqual([true, 200, String(size), size]);
  });
});

interface Part {
  readonly range: string | undefined;
  readonly bytes: Buffer;
}

/** The parts of a multipart/byteranges body. Throws when what stands between them is not as it should be. */
function partsOf(body: Buffer, boundary: string): Part[] {
  const text = body.toString('latin1');
  const [before, ...pieces] = text.split(`\r\n--${boundary}`);
  if (before !== '' || pieces.pop() !== '--\r\n')
    throw new Error('Cannot find the ends of the parts');
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    const [, range] =
      /^content-range: (.*)$/im.exec(piece.slice(0, end).replaceAll('\r', '')) ?? [];
    return { range, bytes: Buffer.from(piece.slice(end + 4), 'latin1') };
  });
}
