import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { RequestBody } from '../../../../../src/gateway/http/body/request-body.ts';
import { WholeBodies } from '../../../../../src/gateway/http/body/whole-body.ts';
import { eventually } from '../../../../support/eventually.ts';
import {
  RawClient,
  exchangeBytes,
  httpOrigin,
  startGateway,
  statusIn,
  targetAt,
  textOf,
} from '../http-fixture.ts';
import { http2Origin, http2Target } from '../origin/http2-fixture.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: app.test\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;

/** An origin that answers how a request came: its framing and its body. */
async function framingOrigin(): Promise<number> {
  return httpOrigin((request, response) => {
    void textOf(request).then((text) => {
      const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
      response.end(
        JSON.stringify({ length, encoding, size: text.length, start: text.slice(0, 9) }),
      );
    });
  });
}

describe('an origin that wants whole bodies', () => {
  it('gets the length of one that came in chunks, and of no other kind', async () => {
    const origin = await framingOrigin();
    const { port } = await startGateway({ origin: targetAt(origin, { wholeBodies: true }) });
    const chunked = await exchangeBytes(port, `${CHUNKED}4\r\nfour\r\n5\r\n five\r\n0\r\n\r\n`);
    expect(chunked).toContain('{"length":"9","size":9,"start":"four five"}');
    const sized = `${HEAD}Content-Length: 4\r\nConnection: close\r\n\r\nfour`;
    expect(await exchangeBytes(port, sized)).toContain('{"length":"4","size":4,"start":"four"}');
    expect(await exchangeBytes(port, `${CHUNKED}0\r\n\r\n`)).toContain('{"length":"0","size":0');
  });

  it('gets it over HTTP/2 as well', async () => {
    const { port: origin } = await http2Origin((stream, headers) => {
      stream.respond({ ':status': 200 });
      stream.resume().end(`length ${headers['content-length']}`);
    });
    const { port } = await startGateway({ origin: http2Target(origin, { wholeBodies: true }) });
    expect(await exchangeBytes(port, `${CHUNKED}4\r\nfour\r\n0\r\n\r\n`)).toContain('length 4');
  });

  it('hears nothing of a body that is too large, or of a user who leaves', async () => {
    let requests = 0;
    const origin = await httpOrigin((_request, response) => {
      requests += 1;
      response.end();
    });
    const { port, summaries } = await startGateway({
      origin: targetAt(origin, { wholeBodies: true }),
    });
    const leaving = await RawClient.connect(port);
    leaving.send(`${CHUNKED}4\r\nfour\r\n`);
    const client = await RawClient.connect(port);
    client.send(CHUNKED);
    const chunk = Buffer.alloc(1024 * 1024);
    for (let sent = 0; sent <= LIMITS.wholeBodyBytes; sent += chunk.length) {
      client.send(Buffer.concat([Buffer.from('100000\r\n'), chunk, Buffer.from('\r\n')]));
    }
    await client.sees('HTTP_BODY_TOO_LARGE');
    expect(statusIn(client.text)).toBe(413);
    leaving.socket.destroy();
    await eventually(() => summaries.length === 2);
    expect(summaries.map(({ code }) => code)).toEqual(['HTTP_BODY_TOO_LARGE', 'HTTP_ABORTED']);
    expect(requests).toBe(0);
  });

  it('asks for the body with 100 Continue', async () => {
    const origin = await framingOrigin();
    const { port } = await startGateway({ origin: targetAt(origin, { wholeBodies: true }) });
    const client = await RawClient.connect(port);
    client.send(CHUNKED.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    await client.sees('100 Continue');
    client.send('4\r\nfour\r\n0\r\n\r\n');
    await client.sees('"length":"4"');
  });
});

describe('WholeBodies', () => {
  /** A body that a test feeds. */
  function aBody(): { body: RequestBody; feed: (text: string) => void; end: () => void } {
    const listeners = new Map<string, (chunk: Buffer) => void>();
    const request = {
      complete: true,
      on: (event: string, listener: (chunk: Buffer) => void) => listeners.set(event, listener),
      off: () => undefined,
      resume: () => undefined,
      pause: () => undefined,
    };
    // It has what a body uses of a request.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const body = new RequestBody(request as unknown as IncomingMessage, {
      onStart: undefined,
      count: { bytesReceived: 0 },
    });
    return {
      body,
      feed: (text) => listeners.get('data')?.(Buffer.from(text)),
      end: () => listeners.get('end')?.(Buffer.alloc(0)),
    };
  }

  it('keeps no more than its limit at one time', async () => {
    const bodies = new WholeBodies(10);
    const [first, second, third] = [aBody(), aBody(), aBody()];
    const one = bodies.gather(first.body);
    first.feed('12345678');
    first.end();
    expect((await one.bytes).toString()).toBe('12345678');
    const two = bodies.gather(second.body);
    second.feed('123');
    await expect(two.bytes).rejects.toMatchObject({ code: 'HTTP_TOO_MANY' });
    two.release();
    expect(bodies.usedBytes).toBe(8);
    one.release();
    one.release();
    expect(bodies.usedBytes).toBe(0);
    const three = bodies.gather(third.body);
    third.feed('1234567890');
    third.end();
    expect(await three.bytes).toHaveLength(10);
    three.release();
    third.feed('late');
    expect(bodies.usedBytes).toBe(0);
  });
});
