import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../../src/core/error.ts';
import { MAX_PIPELINED } from '../../../../src/gateway/http/user/client-connections.ts';
import { createCaCertificate, createKey } from '../../../../src/gateway/tls/make-certificate.ts';
import { HTTP_SERVER_OPTIONS } from '../../../../src/gateway/http/user/server-options.ts';
import {
  RawClient,
  codeIn,
  exchangeBytes,
  fieldsIn,
  httpOrigin,
  listen,
  onHeads,
  rawOrigin,
  startGateway,
  statusIn,
  targetAt,
} from './http-fixture.ts';
import { eventually } from '../../../support/eventually.ts';

/** A gateway before an origin that counts the requests that reach it and echoes their heads. */
async function gatewayWithEcho(): Promise<{ port: number; heads: string[] }> {
  const heads: string[] = [];
  const origin = await rawOrigin((socket) =>
    onHeads(socket, (head) => {
      heads.push(head);
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    }),
  );
  const { port } = await startGateway({ origin });
  return { port, heads };
}

const H = 'Host: app.test\r\n';

describe('what never reaches an origin', () => {
  const cases: [string, string, number?][] = [
    [
      'P1 CL.TE',
      `POST / HTTP/1.1\r\n${H}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX`,
    ],
    ['P2 two lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    [
      'P2 the same length twice',
      `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
    ],
    ['P2 +2', `POST / HTTP/1.1\r\n${H}Content-Length: +2\r\n\r\nab`],
    ['P2 0x2', `POST / HTTP/1.1\r\n${H}Content-Length: 0x2\r\n\r\nab`],
    ['P3 xchunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      'P3 chunked, identity',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    [
      'P3 twice',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'P3 a space before the colon',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['P3 a folded line', `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
    [
      'P4 identity, chunked',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['P5 HTTP/1.0 with TE', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['P6 bare LF', `GET / HTTP/1.1\n${H}\r\n`],
    ['P6 bare CR', `GET / HTTP/1.1\r\n${H}X-A: b\rX-C: d\r\n\r\n`],
    ['P6 CR CR', `GET / HTTP/1.1\r\n${H}\r\rX: y\r\n\r\n`],
    ['P6 NUL', `GET / HTTP/1.1\r\n${H}X-A: b\0c\r\n\r\n`],
    ['P6 a space before a field', `GET / HTTP/1.1\r\n${H} X-A: b\r\n\r\n`],
    ['P9 two hosts', `GET / HTTP/1.1\r\n${H}Host: other.test\r\n\r\n`],
    ['P10 absolute-form with another authority', `GET http://other.test/ HTTP/1.1\r\n${H}\r\n`],
    ['P11 no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['P11 no host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    [
      'P16 POST with a body and Upgrade',
      `POST / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`,
    ],
    ['P17 TRACE', `TRACE / HTTP/1.1\r\n${H}\r\n`, 405],
    ['P17 CONNECT', `CONNECT app.test:443 HTTP/1.1\r\n${H}\r\n`, 405],
    [
      'P20 Connection that lists one of ours',
      `GET / HTTP/1.1\r\n${H}Connection: X-Forwarded-For\r\n\r\n`,
    ],
    ['P22 a raw #', `GET /a#b HTTP/1.1\r\n${H}\r\n`],
    ['a backslash in the path', `GET /a\\b HTTP/1.1\r\n${H}\r\n`],
    ['Expect of something else', `GET / HTTP/1.1\r\n${H}Expect: miracles\r\n\r\n`, 417],
  ];

  it.each(cases)('%s', async (_name, bytes, status = 400) => {
    const { port, heads } = await gatewayWithEcho();
    const smuggled = `GET /smuggled HTTP/1.1\r\n${H}\r\n`;
    const response = await exchangeBytes(port, bytes + smuggled);
    expect(statusIn(response)).toBe(status);
    expect(codeIn(response)).toMatch(/^HTTP_/);
    expect(fieldsIn(response).get('connection')).toEqual(['close']);
    expect(response.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(heads).toEqual([]);
  });

  it('P7 a chunk size of 0x2, or an extension with LF: 400, and the origin never sees the end', async () => {
    const { port } = await gatewayWithEcho();
    for (const chunk of ['0x2\r\nab\r\n0\r\n\r\n', '2;a\nb\r\nab\r\n0\r\n\r\n']) {
      const head = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
      expect(statusIn(await exchangeBytes(port, head + chunk))).toBe(400);
    }
  });

  it('a head beyond the limit: 431', async () => {
    const { port, heads } = await gatewayWithEcho();
    const big = 'x'.repeat(HTTP_SERVER_OPTIONS.maxHeaderSize);
    const response = await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}X-Big: ${big}\r\n\r\n`);
    expect([statusIn(response), codeIn(response)]).toEqual([431, 'HTTP_TOO_LARGE']);
    expect(heads).toEqual([]);
  });

  it('P17 names the allowed methods', async () => {
    const { port } = await gatewayWithEcho();
    const response = await exchangeBytes(port, `TRACE / HTTP/1.1\r\n${H}\r\n`);
    expect(fieldsIn(response).get('allow')?.[0]).toContain('GET, HEAD, POST');
  });
});

describe('what reaches an origin', () => {
  it('P18 P19 P20 without spoofed identity, with ours', async () => {
    const { port, heads } = await gatewayWithEcho();
    const client = await RawClient.connect(port);
    client.send(
      `GET /p?q HTTP/1.1\r\n${H}X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_User: root\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\r\n`,
    );
    await client.sees('ok');
    const [head = ''] = heads;
    expect(head).toMatch(/^GET \/p\?q HTTP\/1\.1\r\n/);
    const fields = fieldsIn(head);
    expect(fields.get('host')).toEqual(['app.test']);
    expect(fields.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fields.get('x-forwarded-host')).toEqual(['app.test']);
    expect(fields.get('x-forwarded-proto')).toEqual(['http']);
    expect(fields.get('x-request-id')?.[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(fields.get('x-kept')).toEqual(['2']);
    expect(fields.has('x_forwarded_user')).toBe(false);
    expect(fields.has('x-hop')).toBe(false);
  });

  it('P8 a body without its trailers', async () => {
    let received = '';
    const origin = await rawOrigin((socket) => {
      socket.on('data', (bytes) => {
        received += bytes.toString();
        if (received.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(
      `POST / HTTP/1.1\r\n${H}Trailer: X-Forwarded-User\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    client.send('2\r\nab\r\n0\r\nX-Forwarded-User: root\r\n\r\n');
    await client.sees('204');
    expect(received.toLowerCase()).not.toContain('x-forwarded-user');
    expect(received).toContain('2\r\nab\r\n0\r\n\r\n');
  });

  it('P15 an Upgrade to h2c as an ordinary request, once', async () => {
    const { port, heads } = await gatewayWithEcho();
    const upgrade =
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    const response = await exchangeBytes(
      port,
      `GET /one HTTP/1.1\r\n${H}${upgrade}\r\nGET /two HTTP/1.1\r\n${H}\r\n`,
    );
    expect(statusIn(response)).toBe(200);
    expect(fieldsIn(response).get('connection')).toEqual(['close']);
    expect(heads).toHaveLength(1);
    expect(heads[0]).toMatch(/^GET \/one /);
    expect(heads[0]?.toLowerCase()).not.toMatch(/upgrade|http2-settings/);
  });

  it('P10 an absolute-form target that names the Host, in origin-form', async () => {
    const { port, heads } = await gatewayWithEcho();
    const client = await RawClient.connect(port);
    client.send(`GET http://app.test/x?y HTTP/1.1\r\n${H}\r\n`);
    await client.sees('ok');
    expect(heads[0]).toMatch(/^GET \/x\?y HTTP/);
  });

  it('with the Host that the rule sets', async () => {
    const heads: string[] = [];
    const origin = await rawOrigin((socket) =>
      onHeads(socket, (head) => {
        heads.push(head);
        socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      }),
    );
    const { port } = await startGateway({ origin: targetAt(origin, { hostHeader: 'intern:81' }) });
    const client = await RawClient.connect(port);
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    await client.sees('204');
    expect(fieldsIn(heads[0] ?? '').get('host')).toEqual(['intern:81']);
    expect(fieldsIn(heads[0] ?? '').get('x-forwarded-host')).toEqual(['app.test']);
  });
});

describe('a TLS server', () => {
  it('P12 answers 421 to a Host that is not the name of the connection, and serves one that is', async () => {
    const origin = await httpOrigin((request, response) => {
      response.end(String(request.headers['x-forwarded-proto']));
    });
    const key = createKey();
    const cert = await createCaCertificate(key, Date.now());
    const server: Server = createTlsServer({ ...HTTP_SERVER_OPTIONS, key, cert });
    const { port } = await startGateway({ origin, server });
    const open = async (servername: string): Promise<RawClient> => {
      const socket = connectTls({ port, host: '127.0.0.1', servername, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return new RawClient(socket);
    };
    const wrong = await (await open('other.test')).send(`GET / HTTP/1.1\r\n${H}\r\n`).closed();
    expect([statusIn(wrong), codeIn(wrong)]).toEqual([421, 'HTTP_MISDIRECTED']);
    const right = await open('app.test');
    right.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    await right.sees(/\r\n\r\nhttps$/);
  });
});

describe('pipelined requests', () => {
  it('are answered in order, one at the origin at a time', async () => {
    let running = 0;
    let most = 0;
    const origin = await httpOrigin((request, response) => {
      running += 1;
      most = Math.max(most, running);
      setImmediate(() => {
        running -= 1;
        response.end(request.url);
      });
    });
    const { port } = await startGateway({ origin });
    const paths = Array.from({ length: 20 }, (_, index) => `/p${index}.`);
    const client = await RawClient.connect(port);
    client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\n${H}\r\n`).join(''));
    await client.sees('/p19.');
    expect(client.text.match(/\/p\d+\./g)).toEqual(paths);
    expect(most).toBe(1);
  });

  it('beyond the limit end the connection', async () => {
    const origin = await rawOrigin(() => undefined);
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`.repeat(MAX_PIPELINED + 2));
    await client.closed();
    await eventually(() => handler.stats.requests === 0);
    expect(handler.stats.connections).toBe(0);
  });

  it('after which comes garbage are still answered', async () => {
    const { port } = await gatewayWithEcho();
    const response = await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}\r\n\0\0\0garbage\r\n\r\n`);
    expect(statusIn(response)).toBe(200);
    expect(response.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

describe('what the gateway answers itself', () => {
  it('is coded JSON with the request id of the access log, and leaves the connection usable', async () => {
    const { port } = await startGateway({ origin: 1 });
    const client = await RawClient.connect(port);
    client.send('GET /a HTTP/1.1\r\nHost: nowhere.test\r\n\r\n');
    await client.sees('ROUTE_NOT_FOUND');
    expect(statusIn(client.text)).toBe(404);
    client.send('GET /b HTTP/1.1\r\nHost: nowhere.test\r\n\r\n');
    await client.sees(/ROUTE_NOT_FOUND[^]*ROUTE_NOT_FOUND/);
  });

  it('gives no reason for a denial', async () => {
    const secret = 'rule 7 of policy staff';
    const { port, logLines } = await startGateway({
      origin: 1,
      route: () => ({ ok: false, error: new PosternError('ACCESS_DENIED', secret) }),
    });
    const response = await exchangeBytes(
      port,
      'GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\nAccept: text/html\r\n\r\n',
    );
    expect(statusIn(response)).toBe(403);
    expect(response).not.toContain('rule 7');
    await eventually(() => logLines.length === 1);
    expect(logLines[0]).toContain(secret);
  });

  it('P35 is 500 when the router throws, and the process lives', async () => {
    const { port } = await startGateway({
      origin: 1,
      route: () => {
        throw new TypeError('a bug');
      },
    });
    const request = 'GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n';
    for (let round = 0; round < 2; round += 1) {
      const response = await exchangeBytes(port, request);
      expect([statusIn(response), codeIn(response)]).toEqual([500, 'HTTP_INTERNAL']);
    }
  });

  it('can be taken over by an intercept, behind the guard', async () => {
    const origin = await httpOrigin((_request, response) => response.end('origin'));
    const { port } = await startGateway({
      origin,
      intercept: {
        request(_request, response, { hostname, path }) {
          if (path !== '/.postern/health') return false;
          response.end(`ours of ${hostname}`);
          return true;
        },
        upgrade(_request, socket, head) {
          socket.end(`taken ${head.toString()}`);
          return true;
        },
      },
    });
    const ask = (path: string, rest = ''): Promise<string> =>
      exchangeBytes(port, `GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n${rest}\r\n`);
    expect(await ask('/.postern/health')).toMatch(/ours of app\.test$/);
    expect(await ask('/')).toMatch(/origin$/);
    expect(await ask('/.postern/health#')).toMatch(/^HTTP\/1\.1 400/);
    const upgrade = `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nhead`;
    expect(await exchangeBytes(port, upgrade)).toBe('taken head');
  });

  it('says which origin failure it was', async () => {
    const codes = ['ORIGIN_REFUSED', 'ORIGIN_TIMEOUT', 'ORIGIN_TLS', 'ROUTE_NO_REPLICA'] as const;
    for (const code of codes) {
      const open = (): Promise<never> => Promise.reject(new PosternError(code, 'no'));
      const { port } = await startGateway({ origin: targetAt(1, { open }) });
      const response = await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      expect(codeIn(response)).toBe(code);
    }
  });
});

describe('the access log', () => {
  it('has one line for each request, without its query', async () => {
    const origin = await httpOrigin((request, response) => {
      request.resume().on('end', () => response.end('four'));
    });
    const { port, logLines, summaries } = await startGateway({ origin });
    const body = 'Content-Length: 3\r\nConnection: close\r\n\r\nabc';
    await exchangeBytes(port, `POST /a/b?token=secret HTTP/1.1\r\n${H}${body}`);
    await eventually(() => summaries.length === 1);
    const line = JSON.parse(logLines[0] ?? '');
    expect(line).toMatchObject({
      level: 'info',
      msg: 'request',
      method: 'POST',
      hostname: 'app.test',
      path: '/a/b',
      status: 200,
      bytesReceived: 3,
      bytesSent: 4,
      tunnelId: 'tunnel-id',
      tunnelName: 'tunnel-name',
      client: '127.0.0.1',
      requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
      durationMs: expect.any(Number),
      gatewayMs: expect.any(Number),
      connectMs: expect.any(Number),
      originMs: expect.any(Number),
    });
    expect(line).not.toHaveProperty('errCode');
    expect(logLines.join()).not.toContain('secret');
  });

  it('has a line for bytes that were no request', async () => {
    const { port, summaries } = await startGateway({ origin: 1 });
    await exchangeBytes(port, 'nonsense\r\n\r\n');
    expect(summaries).toMatchObject([{ status: 400, code: 'HTTP_BAD_REQUEST', hostname: '' }]);
  });

  it('can leave out what went well', async () => {
    const origin = await httpOrigin((_request, response) => response.end());
    const { port, logLines, summaries } = await startGateway({ origin, accessLogLevel: 'debug' });
    await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    await eventually(() => summaries.length === 1);
    expect(logLines).toEqual([]);
  });

  it('warns of failures of origins, not of users', async () => {
    const { port, logLines } = await startGateway({
      origin: targetAt(1, { open: () => Promise.reject(new PosternError('ORIGIN_REFUSED', 'no')) }),
    });
    await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await eventually(() => logLines.length === 2);
    const levels = logLines
      .map((line) => JSON.parse(line))
      .map(({ level, errCode }) => [level, errCode]);
    expect(levels).toEqual([
      ['warn', 'ORIGIN_REFUSED'],
      ['info', 'ROUTE_NOT_FOUND'],
    ]);
  });
});

describe('a slow head', () => {
  it('is cut off with 408', async () => {
    const limits = { headersTimeout: 50, connectionsCheckingInterval: 20 };
    const server = createServer({ ...HTTP_SERVER_OPTIONS, ...limits });
    const { port } = await startGateway({ origin: 1, server });
    const response = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a');
    expect([statusIn(response), codeIn(response)]).toEqual([408, 'HTTP_TIMEOUT']);
  });
});

it('attach() serves several servers', async () => {
  const origin = await httpOrigin((_request, response) => response.end('ok'));
  const { handler } = await startGateway({ origin });
  const second = createServer(HTTP_SERVER_OPTIONS);
  handler.attach(second);
  const port = await listen(second);
  const response = await exchangeBytes(port, `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
  expect(statusIn(response)).toBe(200);
});
