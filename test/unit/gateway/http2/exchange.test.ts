/** What users see of requests over HTTP/2: the same as over HTTP/1.1. */
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import { fieldsIn, httpOrigin, onHeads, rawOrigin, textOf } from '../http/http-fixture.ts';
import { answerOf, ask, begin, headOf, openSession, startHttp2Gateway } from './http2-fixture.ts';

describe('a request over HTTP/2', () => {
  it('reaches the origin over HTTP/1.1 and is answered', async () => {
    let head = '';
    const origin = await rawOrigin((socket) =>
      onHeads(socket, (text) => {
        head = text;
        socket.write(
          'HTTP/1.1 207 Sort Of\r\nSet-Cookie: a=1\r\nX-Odd: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nX-odd: 3\r\n\r\nok',
        );
      }),
    );
    const { port, summaries } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const { status, headers, body } = await ask(session, {
      ':path': '/a/b?c=d',
      cookie: ['one=1', 'two=2'],
      te: 'trailers',
      'x-forwarded-for': '6.6.6.6',
      x_forwarded_host: 'evil.test',
    });
    expect(head).toMatch(/^GET \/a\/b\?c=d HTTP\/1\.1\r\n/);
    const fields = fieldsIn(head);
    expect(fields.get('host')).toEqual(['app.test']);
    expect(fields.get('cookie')).toEqual(['one=1; two=2']);
    expect(fields.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fields.get('x-forwarded-proto')).toEqual(['https']);
    expect(fields.get('x-request-id')).toHaveLength(1);
    expect([...fields.keys()]).not.toEqual(expect.arrayContaining(['te']));
    expect([...fields.keys()]).not.toEqual(expect.arrayContaining(['x_forwarded_host']));
    expect(status).toBe(207);
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(headers['x-odd']).toBe('1, 3');
    expect(body.toString()).toBe('ok');
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({
      status: 207,
      path: '/a/b',
      bytesSent: 2,
      code: undefined,
    });
  });

  it('with a body of unknown length arrives whole', async () => {
    const origin = await httpOrigin((request, response) => {
      void textOf(request).then((text) =>
        response.end(`${request.headers['transfer-encoding']} ${text}`),
      );
    });
    const { port, summaries } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port), { ':method': 'POST' });
    stream.write('one ');
    stream.end('two');
    expect((await answerOf(stream)).body.toString()).toBe('chunked one two');
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ bytesReceived: 7, code: undefined });
  });

  it('that its user gives up ends at the origin at once', async () => {
    let isClosed = false;
    let response: ServerResponse | undefined;
    const origin = await httpOrigin((_request, arrived) => {
      response = arrived;
      arrived.on('close', () => (isClosed = true));
      arrived.write('half');
    });
    const { port, summaries, handler } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port));
    await headOf(stream);
    expect(response).toBeDefined();
    stream.close(8);
    await eventually(() => isClosed);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED' });
    expect(handler.stats).toMatchObject({ requests: 0, connections: 1 });
  });

  it('shares its connection with others that run at the same time', async () => {
    const waiting: ServerResponse[] = [];
    const origin = await httpOrigin((_request, response) => waiting.push(response));
    const { port, handler } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const streams = Array.from({ length: 50 }, () => begin(session));
    await eventually(() => waiting.length === 50);
    expect(handler.stats).toMatchObject({ requests: 50, connections: 1 });
    for (const response of waiting.toReversed()) response.end('done');
    const answers = await Promise.all(streams.map(async (stream) => answerOf(stream)));
    expect(answers.every(({ status, body }) => status === 200 && body.toString() === 'done')).toBe(
      true,
    );
  });

  it('gets an error page where there is no route, and its connection goes on', async () => {
    const { port } = await startHttp2Gateway({ origin: 1 });
    const session = await openSession(port, { servername: 'other.test' });
    for (const method of ['GET', 'POST']) {
      const stream = begin(session, { ':authority': 'other.test', ':method': method });
      const { status, body, headers } = await answerOf(stream);
      expect(status).toBe(404);
      expect(body.toString()).toContain('ROUTE_NOT_FOUND');
      expect(headers['x-request-id']).toBeDefined();
    }
    expect(session.closed).toBe(false);
  });
});
