/** Requests that Postern refuses, and of which nothing reaches the origin. docs/http.md "What Postern refuses". */
import { APP } from './requests.ts';

export interface RefusedCase {
  readonly name: string;
  /** Its bytes, with further fields. */
  readonly bytes: (fields: string) => string;
  readonly status: number;
}

const H = `Host: ${APP}\r\n`;

const HEADS: readonly (readonly [name: string, head: string, status: number])[] = [
  ['CONNECT', `CONNECT ${APP}:443 HTTP/1.1\r\n${H}`, 405],
  ['TRACE', `TRACE / HTTP/1.1\r\n${H}`, 405],
  ['two Host fields', `GET / HTTP/1.1\r\n${H}${H}`, 400],
  ['credentials twice', `GET / HTTP/1.1\r\n${H}Authorization: a\r\nAuthorization: a\r\n`, 400],
  ['two types', `POST / HTTP/1.1\r\n${H}Content-Type: a/b\r\nContent-Type: a/c\r\n`, 400],
  ['no Host field', 'GET / HTTP/1.1\r\n', 400],
  ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b\r\n', 400],
  ['a target that is no path', `GET a HTTP/1.1\r\n${H}`, 400],
  ['the target *', `OPTIONS * HTTP/1.1\r\n${H}`, 400],
  ['another authority', `GET https://other.test/ HTTP/1.1\r\n${H}`, 400],
  ['another scheme', `GET ftp://${APP}/ HTTP/1.1\r\n${H}`, 400],
  ['bytes over 127 in the target', `GET /\u00e9 HTTP/1.1\r\n${H}`, 400],
  ['a raw #', `GET /a#b HTTP/1.1\r\n${H}`, 400],
  ['a backslash in the path', `GET /a\\b HTTP/1.1\r\n${H}`, 400],
  [
    'Transfer-Encoding and Content-Length',
    `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`,
    400,
  ],
  ['Transfer-Encoding: identity', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n`, 400],
  [
    'Transfer-Encoding: gzip, chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n`,
    400,
  ],
  ['two lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nContent-Length: 0\r\n`, 400],
  ['a length with a sign', `POST / HTTP/1.1\r\n${H}Content-Length: +0\r\n`, 400],
  ['HTTP/1.0 with chunks', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n`, 400],
  ['HTTP/2.0 in HTTP/1', `GET / HTTP/2.0\r\n${H}`, 400],
  ['a folded field', `GET / HTTP/1.1\r\n${H}X-A: a\r\n b\r\n`, 400],
  ['a space before the colon', `GET / HTTP/1.1\r\n${H}X-A : a\r\n`, 400],
  ['a NUL in a field', `GET / HTTP/1.1\r\n${H}X-A: a\u0000b\r\n`, 400],
  [
    'a Connection field that lists ours',
    `GET / HTTP/1.1\r\n${H}Connection: x-forwarded-for\r\n`,
    400,
  ],
  ['a Connection field that lists Host', `GET / HTTP/1.1\r\n${H}Connection: host\r\n`, 400],
  ['another expectation', `POST / HTTP/1.1\r\n${H}Expect: 200-ok\r\n`, 417],
  [
    'a WebSocket with a body',
    `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n`,
    400,
  ],
  ['a head of 40,000 bytes', `GET / HTTP/1.1\r\n${H}X-Long: ${'v'.repeat(40_000)}\r\n`, 431],
  ['a name of another site', 'GET / HTTP/1.1\r\nHost: nowhere.postern.test\r\n', 404],
  [
    'an Upgrade with a body',
    `POST / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: foo/2\r\nContent-Length: 1\r\n`,
    400,
  ],
];

export const REFUSED: readonly RefusedCase[] = HEADS.map(([name, head, status]) => ({
  name,
  status,
  bytes: (fields) => `${head}${fields}\r\n`,
}));
