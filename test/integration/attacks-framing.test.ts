/**
 * Requests that two programs could read in two ways, in raw bytes against a running gateway: each is refused by the gateway, the
 * connection ends, and nothing of it, nor of what was hidden behind it, reaches the origin. docs/security.md "HTTP".
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { APP, startAttackLab, type AttackLab } from '../support/attack-lab.ts';
import { codeIn, fieldsIn, statusIn } from '../support/raw-client.ts';

let lab: AttackLab;

beforeAll(async () => {
  lab = await startAttackLab();
});

const H = `Host: ${APP}\r\n`;
/** What an attacker hopes that the origin takes for a request of its own. */
const HIDDEN = `GET /hidden HTTP/1.1\r\n${H}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

const get = (fields: string, target = '/'): string => `GET ${target} HTTP/1.1\r\n${fields}\r\n`;
const post = (fields: string, body = '0\r\n\r\n', version = '1.1'): string =>
  `POST / HTTP/${version}\r\n${H}${fields}\r\n${body}`;

describe('refused, and nothing of it reaches the origin:', () => {
  const cases: readonly [name: string, bytes: string, status?: number][] = [
    ['P1 Content-Length before Transfer-Encoding', post(`Content-Length: 6\r\n${CHUNKED}`)],
    ['P1 Transfer-Encoding before Content-Length', post(`${CHUNKED}Content-Length: 6\r\n`)],
    ['P2 two different lengths', post('Content-Length: 5\r\nContent-Length: 0\r\n')],
    ['P2 the same length twice', post('Content-Length: 5\r\nContent-Length: 5\r\n')],
    ['P2 the same length twice in one field', post('Content-Length: 5, 5\r\n')],
    ['P2 a length with a sign', post('Content-Length: +5\r\n')],
    ['P2 a hexadecimal length', post('Content-Length: 0x5\r\n')],
    ['P2 a negative length', post('Content-Length: -5\r\n')],
    ['P2 an empty length', post('Content-Length: \r\n')],
    ['P2 a length with a space inside', post('Content-Length: 5 5\r\n')],
    ['P2 a length beyond every file', post(`Content-Length: ${'9'.repeat(20)}\r\n`)],
    ['P3 xchunked', post('Transfer-Encoding: xchunked\r\n')],
    ['P3 chunked, identity', post('Transfer-Encoding: chunked, identity\r\n')],
    ['P3 gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n')],
    ['P3 two Transfer-Encoding fields', post(`${CHUNKED}${CHUNKED}`)],
    ['P3 a second one that is none', post(`${CHUNKED}Transfer-Encoding: x\r\n`)],
    ['P3 a space before the colon', post('Transfer-Encoding : chunked\r\n')],
    ['P3 a folded line', post('Transfer-Encoding:\r\n chunked\r\n')],
    ['P3 a vertical tab', post('Transfer-Encoding: \vchunked\r\n')],
    ['P3 quotes', post('Transfer-Encoding: "chunked"\r\n')],
    ['P3 chunked twice in one field', post('Transfer-Encoding: chunked, chunked\r\n')],
    ['P4 identity, chunked', post('Transfer-Encoding: identity, chunked\r\n')],
    ['P4 identity', post('Transfer-Encoding: identity\r\n')],
    ['P4 an empty one', post('Transfer-Encoding:\r\n')],
    ['P4 a comma before it', post('Transfer-Encoding: ,chunked\r\n')],
    ['P5 HTTP/1.0 with Transfer-Encoding', post(CHUNKED, '0\r\n\r\n', '1.0')],
    ['P5 HTTP/1.0 with both', post(`${CHUNKED}Content-Length: 5\r\n`, '0\r\n\r\n', '1.0')],
    ['P6 bare LF behind the request line', `GET / HTTP/1.1\n${H}\r\n`],
    ['P6 bare LF behind a field', `GET / HTTP/1.1\r\n${H}X-A: b\nX-C: d\r\n\r\n`],
    ['P6 bare LF twice as the end of the head', `GET / HTTP/1.1\r\n${H.trimEnd()}\n\n`],
    ['P6 bare CR in a value', get(`${H}X-A: b\rX-C: d\r\n`)],
    ['P6 CR behind the head', `GET / HTTP/1.1\r\n${H}\r\rX: y\r\n\r\n`],
    ['P6 NUL in a value', get(`${H}X-A: b\0c\r\n`)],
    ['P6 NUL in a name', get(`${H}X\0A: b\r\n`)],
    ['P6 a space before a field', get(`${H} X-A: b\r\n`)],
    ['P6 a space before the first field', get(` X-A: b\r\n${H}`)],
    ['P6 a field without a colon', get(`${H}X-A b\r\n`)],
    ['P6 a field without a name', get(`${H}: b\r\n`)],
    ['P6 a version that is none', `GET / HTTP/1.1x\r\n${H}\r\n`],
    ['P6 a version of the future', `GET / HTTP/3.0\r\n${H}\r\n`],
    ['P6 no version', `GET /\r\n${H}\r\n`],
    ['P9 two hosts', get(`${H}Host: other.postern.test\r\n`)],
    ['P9 the same host twice', get(`${H}${H}`)],
    ['P9 two hosts, one in odd case', get(`${H}hOsT: other.postern.test\r\n`)],
    ['P9 credentials twice', get(`${H}Authorization: Basic YTph\r\nauthorization: Basic Yjpi\r\n`)],
    ['P9 two origins', get(`${H}Origin: https://${APP}\r\nOrigin: https://evil.test\r\n`)],
    ['P10 another authority', get(H, 'https://other.postern.test/')],
    ['P10 an authority with a user', get(H, `https://user@${APP}/`)],
    ['P10 an authority that only begins like it', get(H, `https://${APP}.evil.test/`)],
    ['P10 another scheme', get(H, `ftp://${APP}/`)],
    ['P10 two slashes short', get(H, `https:/${APP}/`)],
    ['P10 a port alone', get(H, ':443')],
    ['P11 no host', get('')],
    ['P11 no host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    ['P11 an empty host', get('Host:\r\n')],
    ['P11 a host with a path', get(`Host: ${APP}/x\r\n`)],
    ['P11 a host with a user', get(`Host: user@${APP}\r\n`)],
    ['P11 two hosts in one field', get(`Host: ${APP}, other.postern.test\r\n`)],
    ['P11 a host with a space', get(`Host: ${APP} x\r\n`)],
    ['P16 POST, a body and Upgrade', post(`${UPGRADE}Content-Length: 5\r\n`)],
    ['P16 GET, a body and Upgrade', get(`${H}${UPGRADE}Content-Length: 5\r\n`) + '0\r\n\r\n'],
    ['P16 chunks and Upgrade', post(`${UPGRADE}${CHUNKED}`)],
    ['P16 POST and Upgrade', post(UPGRADE, '')],
    ['P17 CONNECT', `CONNECT ${APP}:443 HTTP/1.1\r\n${H}\r\n`, 405],
    [
      'P17 CONNECT with a body',
      `CONNECT ${APP}:443 HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`,
      405,
    ],
    [
      'P17 CONNECT to an origin',
      `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n`,
      405,
    ],
    ['P17 TRACE', `TRACE / HTTP/1.1\r\n${H}\r\n`, 405],
    ['P17 TRACE with a field for the origin', `TRACE / HTTP/1.1\r\n${H}Cookie: a=b\r\n\r\n`, 405],
    ['P20 Connection that lists Host', get(`${H}Connection: host\r\n`)],
    [
      'P20 Connection that lists a length',
      post('Connection: Content-Length\r\nContent-Length: 5\r\n'),
    ],
    [
      'P20 Connection that lists chunks',
      post(`Connection: close, transfer-encoding\r\n${CHUNKED}`),
    ],
    ['P20 Connection that lists X-Forwarded-For', get(`${H}Connection: X-Forwarded-For\r\n`)],
    ['P20 Connection that lists an identity', get(`${H}Connection: Postern-Access-Email\r\n`)],
    [
      'P20 Connection that lists it with _',
      get(`${H}Connection: keep-alive, Postern_Access_User\r\n`),
    ],
    ['P20 the second Connection', get(`${H}Connection: close\r\nConnection: x-request-id\r\n`)],
    ['P21 a backslash in the path', get(H, '/a\\b')],
    ['P22 a raw #', get(H, '/public#/secret')],
    ['P22 a raw # in the query', get(H, '/?a=b#c')],
    ['P22 a space in the target', get(H, '/a b')],
    ['P22 a control character in the target', get(H, '/a\u0001b')],
    ['P22 DEL in the target', get(H, '/a\u007fb')],
    ['P22 an asterisk', get(H, '*')],
    ['P22 a target without a slash', get(H, 'a/b')],
  ];

  it.each(cases)('%s', async (_name, bytes, status = 400) => {
    const reached = await lab.reached(async () => {
      const answer = await lab.exchange(bytes + HIDDEN);
      expect({ status: statusIn(answer), code: codeIn(answer) }).toEqual({
        status,
        code: expect.stringMatching(/^HTTP_/),
      });
      expect(fieldsIn(answer).get('connection')).toEqual(['close']);
      expect(fieldsIn(answer).get('cache-control')).toEqual(['no-store']);
      // One answer: what was hidden had none.
      expect(answer.match(/HTTP\/1\.[01] \d/g)).toHaveLength(1);
    });
    expect(reached).toEqual([]);
  });
});

describe('P7 chunks', () => {
  it.each([
    ['a hexadecimal size with 0x', '0x2\r\nab\r\n0\r\n\r\n'],
    ['a size with a sign', '+2\r\nab\r\n0\r\n\r\n'],
    ['a negative size', '-2\r\nab\r\n0\r\n\r\n'],
    ['no size', '\r\nab\r\n0\r\n\r\n'],
    ['a size with a space before it', ' 2\r\nab\r\n0\r\n\r\n'],
    ['a size beyond 64 bits', 'fffffffffffffffff\r\nab\r\n0\r\n\r\n'],
    ['LF in an extension', '2;a\nb\r\nab\r\n0\r\n\r\n'],
    ['LF behind the size', '2\nab\r\n0\r\n\r\n'],
    ['LF behind the data', '2\r\nab\n0\r\n\r\n'],
    ['more data than the size says', '2\r\nabc\r\n0\r\n\r\n'],
    ['NUL in an extension', '2;a=\0\r\nab\r\n0\r\n\r\n'],
  ])('with %s: 400, and the origin never sees a whole request', async (_name, chunks) => {
    const reached = await lab.reached(async () => {
      const answer = await lab.exchange(post(CHUNKED, chunks) + HIDDEN);
      expect([statusIn(answer), answer.match(/HTTP\/1\.1 \d/g)?.length]).toEqual([400, 1]);
    });
    expect(reached.filter(({ isWhole }) => isWhole)).toEqual([]);
    expect(reached.map(({ target }) => target)).not.toContain('/hidden');
  });

  it('with an extension arrive without it', async () => {
    const bytes = post(`${CHUNKED}Connection: close\r\n`, '2;a="b";c\r\nab\r\n0;d\r\n\r\n');
    const reached = await lab.reached(async () => {
      expect(statusIn(await lab.exchange(bytes))).toBe(200);
    });
    expect(reached).toEqual([
      expect.objectContaining({ isWhole: true, rest: '2\r\nab\r\n0\r\n\r\n' }),
    ]);
  });
});

describe('P8 trailers', () => {
  it('with a length: 400, and the origin never sees a whole request', async () => {
    const reached = await lab.reached(async () => {
      const bytes = post(CHUNKED, '2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n');
      expect(statusIn(await lab.exchange(bytes + HIDDEN))).toBe(400);
    });
    expect(reached.filter(({ isWhole }) => isWhole)).toEqual([]);
  });

  it('that pose as fields change nothing of the request', async () => {
    const trailers = ['X-Forwarded-User: root', 'Postern-Access-Email: root@x.test', 'Host: evil'];
    const named = `Trailer: X-Forwarded-User, Postern-Access-Email, Host\r\n${CHUNKED}`;
    const bytes = post(
      `${named}Connection: close\r\n`,
      `2\r\nab\r\n0\r\n${trailers.join('\r\n')}\r\n\r\n`,
    );
    const reached = await lab.reached(async () => {
      expect(statusIn(await lab.exchange(bytes))).toBe(200);
    });
    const [request] = reached;
    expect(reached).toHaveLength(1);
    expect(request?.isWhole).toBe(true);
    expect(request?.fields.get('host')).toEqual([APP]);
    expect(`${request?.head}${request?.rest}`.toLowerCase()).not.toMatch(
      /root|evil|content-length/,
    );
  });
});

describe('served as if it had not been asked for:', () => {
  it.each([
    [
      'P15 h2c',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
    ],
    ['P15 another protocol', 'Connection: Upgrade\r\nUpgrade: foo\r\n'],
    ['P15 TLS', 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n'],
    ['P15 h2c beside websocket', 'Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n'],
    ['P15 two Upgrade fields', 'Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n'],
  ])('%s, once, and the connection ends', async (_name, fields) => {
    const reached = await lab.reached(async () => {
      const answer = await lab.exchange(get(`${H}${fields}`, '/once') + HIDDEN);
      expect(statusIn(answer)).toBe(200);
      expect(fieldsIn(answer).get('connection')).toEqual(['close']);
    });
    expect(reached.map(({ target }) => target)).toEqual(['/once']);
    expect(reached[0]?.head.toLowerCase()).not.toMatch(/upgrade|http2-settings/);
  });

  it('P10 an absolute target that names the host, as the path it is', async () => {
    const reached = await lab.reached(async () => {
      for (const scheme of ['https', 'HTTP']) {
        const bytes = get(`${H}Connection: close\r\n`, `${scheme}://${APP.toUpperCase()}/x?y`);
        expect(statusIn(await lab.exchange(bytes))).toBe(200);
      }
    });
    expect(reached.map(({ target }) => target)).toEqual(['/x?y', '/x?y']);
  });
});
