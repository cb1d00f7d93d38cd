/**
 * Bodies through the whole tunnel while they come: events one by one, users who leave half-way, and origins that break
 * off. Nothing waits for a whole that is still being made, and half of one never looks whole.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually, untilStill } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { answerTo, ask, bodyOf } from '../support/https-client.ts';
import { PatternCheck, patternBytes } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess } from '../support/processes.ts';
import { startHttpListener } from '../support/real/http-listener.ts';
import { resetSocket } from '../support/real/peer-end.ts';
import { say } from '../support/say.ts';
import { toolPath } from '../support/tools.ts';

const HOSTNAME = 'node.postern.test';
const MiB = 1024 * 1024;

let gateway: Gateway;
let connector: Connector;

/** What the origin does with the next request. */
let serve: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  const origin = await startHttpListener((request, response) => serve(request, response));
  ({ gateway, connector } = await startPostern({
    ingress: [{ hostname: HOSTNAME, service: origin.service }],
  }));
  guardLinks(connector);
});

/** The origin's side of the next request. */
function nextArrival(): Promise<{ request: IncomingMessage; response: ServerResponse }> {
  return new Promise((resolve) => {
    serve = (request, response) => resolve({ request, response });
  });
}

async function noStreamLeft(): Promise<void> {
  await eventually(async () => {
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
  });
}

describe('what is streamed', () => {
  it('server-sent events arrive one by one, each before the next is made', async () => {
    const arrival = nextArrival();
    const asked = ask(gateway, HOSTNAME, '/events', { headers: { accept: 'text/event-stream' } });
    const answered = answerTo(asked.end());
    const { response: origin } = await arrival;
    origin.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    // The head comes by itself, while there is no event yet.
    const response = (await answered).setEncoding('utf8');
    expect(response.headers['content-type']).toBe('text/event-stream');
    for (let id = 0; id < 500; id += 1) {
      const event = `id: ${id}\ndata: ${'x'.repeat(id % 97)}\n\n`;
      origin.write(event);
      expect(await textOf(response, event.length)).toBe(event);
    }
    origin.end();
    await once(response.resume(), 'end');
  });

  it('an upload and its answer go back and forth, piece by piece', async () => {
    const arrival = nextArrival();
    const asked = ask(gateway, HOSTNAME, '/talk', { method: 'POST' });
    const answered = answerTo(asked);
    asked.write('question 0');
    const { request, response: origin } = await arrival;
    request.setEncoding('utf8');
    origin.flushHeaders();
    const response = (await answered).setEncoding('utf8');
    for (let turn = 0; turn < 100; turn += 1) {
      if (turn > 0) asked.write(`question ${turn}`);
      expect(await textOf(request, `question ${turn}`.length)).toBe(`question ${turn}`);
      origin.write(`answer ${turn}`);
      expect(await textOf(response, `answer ${turn}`.length)).toBe(`answer ${turn}`);
    }
    asked.end();
    await once(request.resume(), 'end');
    origin.end();
    await once(response.resume(), 'end');
  });
});

/** The next `length` characters, however they were cut. */
async function textOf(message: IncomingMessage, length: number): Promise<string> {
  let text = '';
  while (text.length < length) {
    const piece: unknown = message.read();
    if (typeof piece === 'string') text += piece;
    else await once(message, 'readable');
  }
  return text;
}

describe('a user who leaves', () => {
  it.each([
    ['before the first byte', 0],
    ['during an event stream', 10],
    ['during a download that stands still because nobody reads', Infinity],
  ])('%s is gone for the origin at once', async (_when, bytes) => {
    const arrival = nextArrival();
    const asked = ask(gateway, HOSTNAME, '/');
    asked.on('error', () => undefined).end();
    const { response: origin } = await arrival;
    if (bytes > 0) {
      const answered = once(asked, 'response');
      origin.write('x'.repeat(Math.min(bytes, 10)));
      const [response]: IncomingMessage[] = await answered;
      response?.on('error', () => undefined);
      await once(response ?? asked, 'readable');
    }
    if (bytes === Infinity) await fill(origin);
    const gone = once(origin, 'close');
    const since = performance.now();
    asked.destroy();
    await gone;
    const afterMs = performance.now() - since;
    say(`the origin knew after ${afterMs.toFixed(0)} ms`);
    expect(afterMs).toBeLessThan(AT_ONCE_MS);
    await noStreamLeft();
  });

  it('during an upload is gone for the origin at once, which does not take it for whole', async () => {
    const arrival = nextArrival();
    const asked = ask(gateway, HOSTNAME, '/', { method: 'PUT' });
    asked.on('error', () => undefined).write(patternBytes(MiB));
    const { request } = await arrival;
    request.resume();
    const ended = Promise.race([once(request, 'end').then(() => 'end'), closeOf(request)]);
    await once(request, 'data');
    asked.destroy();
    expect(await ended).toMatchObject({ code: 'ECONNRESET' });
    expect(request.complete).toBe(false);
    await noStreamLeft();
  });
});

function closeOf(message: IncomingMessage): Promise<unknown> {
  return new Promise((resolve) => {
    message.once('error', resolve);
  });
}

/** Writes until nothing moves any more: every window and buffer on the way is full. */
async function fill(response: ServerResponse): Promise<void> {
  const chunk = patternBytes(MiB);
  const { socket } = response;
  await untilStill(
    () => {
      while (response.writableLength < 8 * MiB) response.write(chunk);
      return (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0);
    },
    { everyMs: 300, deadlineMs: 20_000, what: 'every buffer to be full' },
  );
}

describe('an origin that breaks off', () => {
  const LENGTH = 4 * MiB;

  const headOf = { counted: { 'Content-Length': String(LENGTH) }, chunked: {} };
  const endings = {
    'with an orderly end': (response: ServerResponse) => response.socket?.end(),
    'with a reset': ({ socket }: ServerResponse) => socket !== null && resetSocket(socket),
  };

  describe.each(['counted', 'chunked'] as const)('in a %s body', (framing) => {
    describe.each(['with an orderly end', 'with a reset'] as const)('%s', (ending) => {
      it.each([1, 1000, LENGTH - 1])('is seen as broken after %i bytes', async (bytes) => {
        const arrival = nextArrival();
        const answered = answerTo(ask(gateway, HOSTNAME, '/').end());
        const { response: origin } = await arrival;
        origin.writeHead(200, headOf[framing]);
        origin.write(patternBytes(bytes));
        const response = await answered;
        const check = new PatternCheck();
        const broken = closeOf(response);
        response.on('data', (chunk: Buffer) => check.push(chunk));
        await eventually(() => check.bytes === bytes, { what: 'all that was sent' });
        endings[ending](origin);
        expect(await broken).toMatchObject({ code: 'ECONNRESET' });
        expect(response.complete).toBe(false);
        expect(check.bytes).toBe(bytes);
      });
    });
  });

  it.each(['--http1.1', '--http1.0'])('is seen as broken by curl %s', async (version) => {
    const arrival = nextArrival();
    const args = [...gateway.curlOptions(HOSTNAME), '--no-buffer', version, `https://${HOSTNAME}/`];
    const curl = startProcess(toolPath('curl'), args, { name: 'curl' });
    const { response: origin } = await arrival;
    origin.write('half\n');
    await curl.waitForLine(/^half$/);
    endings['with a reset'](origin);
    await eventually(() => curl.exit !== undefined);
    // 18: transfer closed with data outstanding; 56: failure in receiving.
    expect(curl.exit?.code).toBe(version === '--http1.1' ? 18 : 56);
    expect(curl.stdout).toBe('half\n');
  });

  it('leaves no stream behind, and the next request is answered', async () => {
    await noStreamLeft();
    serve = (_request, response) => response.end('well again');
    const response = await answerTo(ask(gateway, HOSTNAME, '/').end());
    expect((await bodyOf(response)).toString()).toBe('well again');
  });
});
