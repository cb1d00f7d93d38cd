/**
 * HTTP while the links under it are killed: the user at the HTTPS listener notices nothing. A body arrives whole in
 * either direction, and a WebSocket stays the same WebSocket.
 */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import type { LinkProxy } from '../support/link-proxy.ts';
import { patternBytes, PatternCheck, patternSha256, PatternSource } from '../support/pattern.ts';
import { startBreakablePostern } from '../support/postern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const HOSTNAME = 'web.postern.test';
const LINKS = 8;
const MiB = 1024 * 1024;
const BODY_BYTES = 64 * MiB;

let gateway: Gateway;
let path: LinkProxy;
let origin: HttpOrigin;

beforeAll(async () => {
  origin = await startHttpOrigin();
  ({ gateway, path } = await startBreakablePostern({
    ingress: [{ hostname: HOSTNAME, service: origin.service }],
    connector: { config: { 'ha-connections': LINKS } },
  }));
});

describe('while links are killed', () => {
  it('a download, an upload and a WebSocket go on as if nothing happened', async () => {
    const socket = await openWebSocket();
    const cutter = new Cutter();
    const since = performance.now();
    const transfers = Promise.all([download(), upload()]);
    let isOver = false;
    const over = transfers.finally(() => (isOver = true));
    const [[downloaded, uploaded], echoes] = await Promise.all([
      over,
      echoUntil(socket, () => isOver),
      cutter.cutUntil(over, () => isOver),
    ]);
    const seconds = (performance.now() - since) / 1000;
    socket.close(1000);
    await once(socket, 'close');
    const carried = `${(2 * BODY_BYTES) / MiB} MiB and ${echoes} messages`;
    say(`${cutter.cuts} links killed in ${seconds.toFixed(1)} s under ${carried}`);
    expect(downloaded).toEqual({ status: 200, bytes: BODY_BYTES });
    const sha256 = patternSha256(BODY_BYTES);
    expect(uploaded).toEqual({ status: 200, body: { bytes: BODY_BYTES, sha256 } });
    expect(cutter.cuts).toBeGreaterThan(20);
    expect(echoes).toBeGreaterThan(5);
    await eventually(async () => {
      const seen = { aborted: 0, requests: 3, webSockets: 1, closeCodes: [1000] };
      expect(await origin.stats()).toMatchObject(seen);
    });
    expect(await gateway.metric('postern_gateway_proto_errors_total')).toBe(0);
  });
});

/** Kills links at random bytes. */
class Cutter {
  readonly #random = new SeededRandom();
  cuts = 0;

  /** Until `over` settles, from when on `isOver` says so. */
  async cutUntil(over: Promise<unknown>, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      // A path that breaks, and not one that is broken.
      const isUp = (): boolean => isOver() || path.connections() >= LINKS / 2;
      await eventually(isUp, { everyMs: 2, deadlineMs: 30_000, what: 'links' });
      const cut = path.cutAfterBytes(this.#random.magnitude(4 * MiB));
      await Promise.race([cut.then(() => (this.cuts += 1)), over]);
    }
    void path.cutAfterBytes(Infinity);
  }
}

function ask(method: string, target: string): ClientRequest {
  const headers = { host: HOSTNAME };
  const options = gateway.connectOptions(HOSTNAME);
  return request({ ...options, agent: false, method, path: target, headers });
}

async function download(): Promise<{ status: number | undefined; bytes: number }> {
  const asked = ask('GET', `/bytes/${BODY_BYTES}`).end();
  const [response]: IncomingMessage[] = await once(asked, 'response');
  const check = new PatternCheck();
  for await (const chunk of response ?? []) check.push(chunk);
  return { status: response?.statusCode, bytes: check.bytes };
}

async function upload(): Promise<{ status: number | undefined; body: unknown }> {
  const asked = ask('POST', '/sha256');
  const answered = once(asked, 'response');
  await pipeline(Readable.from(pattern()), asked);
  const [response]: IncomingMessage[] = await answered;
  let text = '';
  for await (const chunk of response ?? []) text += String(chunk);
  return { status: response?.statusCode, body: JSON.parse(text) };
}

function* pattern(): Generator<Buffer> {
  const source = new PatternSource();
  for (let left = BODY_BYTES; left > 0; left -= 64 * 1024) yield source.next(64 * 1024);
}

async function openWebSocket(): Promise<WebSocket> {
  const { port, ...options } = gateway.connectOptions(HOSTNAME);
  const url = `wss://127.0.0.1:${port}/ws`;
  const socket = new WebSocket(url, { ...options, headers: { host: HOSTNAME } });
  cleanup(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** Sends messages of growing size, each when the one before is back. Returns how many were. */
async function echoUntil(socket: WebSocket, isOver: () => boolean): Promise<number> {
  let echoes = 0;
  while (!isOver()) {
    const message = patternBytes(1 + echoes * 997, echoes);
    socket.send(message);
    const [answer]: Buffer[] = await once(socket, 'message');
    if (answer === undefined || !message.equals(answer)) throw new Error(`Echo ${echoes} is wrong`);
    echoes += 1;
  }
  return echoes;
}
