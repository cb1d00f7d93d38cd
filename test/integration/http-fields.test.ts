/**
 * Header fields and framing through the whole tunnel: what is repeated stays repeated and in order, what has no body
 * ends all the same, and responses before the response arrive first.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent } from 'node:https';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import type { Gateway } from '../support/gateway.ts';
import { answerTo, ask, bodyOf, type AskOptions } from '../support/https-client.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpListener } from '../support/real/http-listener.ts';

const HOSTNAME = 'node.postern.test';

let gateway: Gateway;

/** What the origin does with the next request. */
let serve: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  const origin = await startHttpListener((request, response) => serve(request, response));
  const started = await startPostern({
    ingress: [{ hostname: HOSTNAME, service: origin.service }],
  });
  ({ gateway } = started);
  guardLinks(started.connector);
});

describe('a response', () => {
  const get = (options: AskOptions = {}): Promise<IncomingMessage> =>
    answerTo(ask(gateway, HOSTNAME, '/', options).end());

  it('keeps its cookies apart and in order, and every repeated field', async () => {
    const cookies = ['a=1; Path=/, b', 'c=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'a=3', ''];
    const links = ['</a>; rel=next', '</b>; rel=prev'];
    serve = (_request, response) => {
      response.writeHead(200, { 'Set-Cookie': cookies, Link: links, 'X-Twice': ['one', 'two'] });
      response.end();
    };
    const response = await get();
    expect(response.headers['set-cookie']).toEqual(cookies);
    expect(valuesOf(response.rawHeaders, 'Link')).toEqual(links);
    expect(valuesOf(response.rawHeaders, 'X-Twice')).toEqual(['one', 'two']);
  });

  it('without a byte ends, chunked or with a length', async () => {
    serve = (request, response) => {
      if (request.headers['x-length'] === 'none') response.flushHeaders();
      response.end();
    };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanup(() => agent.destroy());
    for (let turn = 0; turn < 3; turn += 1) {
      const chunked = await get({ agent, headers: { 'x-length': 'none' } });
      expect(chunked.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
      expect(await bodyOf(chunked)).toHaveLength(0);
      const counted = await get({ agent });
      expect(counted.headers).toMatchObject({ 'content-length': '0' });
      expect(await bodyOf(counted)).toHaveLength(0);
    }
  });

  it('comes after its early hints', async () => {
    const link = '</style.css>; rel=preload; as=style';
    serve = (_request, response) => {
      response.writeEarlyHints({ link }, () => response.end('page'));
    };
    const asked = ask(gateway, HOSTNAME, '/');
    const hints = once(asked, 'information');
    const answered = answerTo(asked.end());
    expect(await hints).toMatchObject([{ statusCode: 103, headers: { link } }]);
    expect((await bodyOf(await answered)).toString()).toBe('page');
  });
});

describe('a request', () => {
  /** Serves by saying what came. */
  const sayWhatCame = (request: IncomingMessage, response: ServerResponse): void => {
    void bodyOf(request).then((body) => {
      const { method, url, rawHeaders } = request;
      response.end(JSON.stringify({ method, url, rawHeaders, body: body.toString() }));
    });
  };
  const answerIn = async (response: IncomingMessage): Promise<Record<string, unknown>> => {
    const answer: Record<string, unknown> = JSON.parse((await bodyOf(response)).toString());
    return answer;
  };

  it('keeps repeated fields and their order', async () => {
    serve = sayWhatCame;
    const headers = { 'X-Twice': ['one', 'two'], Accept: ['text/html', 'text/plain'] };
    const { rawHeaders } = await answerIn(
      await answerTo(ask(gateway, HOSTNAME, '/', { headers }).end()),
    );
    expect(valuesOf(rawHeaders, 'X-Twice')).toEqual(['one', 'two']);
    expect(valuesOf(rawHeaders, 'Accept')).toEqual(['text/html', 'text/plain']);
  });

  it('with a chunked body without a byte arrives as one of length 0', async () => {
    serve = sayWhatCame;
    const headers = { 'transfer-encoding': 'chunked' };
    const asked = ask(gateway, HOSTNAME, '/', { method: 'POST', headers });
    const { method, body, rawHeaders } = await answerIn(await answerTo(asked.end()));
    expect({ method, body }).toEqual({ method: 'POST', body: '' });
    expect(valuesOf(rawHeaders, 'content-length')).toEqual(['0']);
    expect(valuesOf(rawHeaders, 'transfer-encoding')).toEqual([]);
  });

  it('brings its trailers, and the next one is served as well', async () => {
    serve = (request, response) => {
      void bodyOf(request).then((body) => {
        const { trailers, headers } = request;
        const { trailer } = headers;
        response.end(JSON.stringify({ body: body.toString(), trailer, trailers }));
      });
    };
    const headers = { trailer: 'x-sum', 'transfer-encoding': 'chunked' };
    for (const parts of [['big'.repeat(100_000), 'end'], ['b'], []]) {
      const asked = ask(gateway, HOSTNAME, '/', { method: 'PUT', headers });
      for (const part of parts) asked.write(part);
      asked.addTrailers({ 'X-Sum': String(parts.length), 'X-Forwarded-For': '1.2.3.4' });
      // oxlint-disable-next-line no-await-in-loop
      expect(await answerIn(await answerTo(asked.end()))).toEqual({
        body: parts.join(''),
        trailer: 'x-sum',
        trailers: { 'x-sum': String(parts.length) },
      });
    }
  });

  it('that waits for 100 Continue is let go on', async () => {
    serve = sayWhatCame;
    const headers = { expect: '100-continue', 'content-length': '4' };
    const asked = ask(gateway, HOSTNAME, '/', { method: 'PUT', headers });
    asked.flushHeaders();
    await once(asked, 'continue');
    expect(await answerIn(await answerTo(asked.end('body')))).toMatchObject({ body: 'body' });
  });
});

/** The values of a field in raw fields, in order. */
function valuesOf(rawHeaders: unknown, name: string): string[] {
  const raw: unknown[] = Array.isArray(rawHeaders) ? rawHeaders : [];
  return raw.flatMap((field, index) =>
    index % 2 === 1 && String(raw[index - 1]).toLowerCase() === name.toLowerCase()
      ? [String(field)]
      : [],
  );
}
