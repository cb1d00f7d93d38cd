/** Answers of the differential test's origin. */
import { fieldsOf, type Body, type Field } from './message.ts';
import { NONE, chunked, text } from './requests.ts';

export interface Response {
  /** Bytes of responses before the response. */
  readonly before?: string;
  /** Status and reason. */
  readonly line: string;
  readonly fields: readonly Field[];
  readonly body: Body;
}

const respond = (line: string, fields: string, body: Body, before = ''): Response => ({
  line,
  fields: fieldsOf(fields),
  body,
  before,
});

/** The plainest. */
export const OK = respond('200 OK', 'Content-Type: text/plain', text('ok'));

export const RESPONSES: readonly (readonly [name: string, response: Response])[] = [
  ['200', OK],
  ['200 without a body', respond('200 OK', '', text())],
  ['no reason', respond('200 ', '', text('ok'))],
  ['a reason of its own', respond('299 Sort of: OK!', '', text('ok'))],
  ['201', respond('201 Created', 'Location: /new?a#b', text())],
  ['202', respond('202 Accepted', '', text('later'))],
  ['204', respond('204 No Content', 'X-A: 1', NONE)],
  ['205', respond('205 Reset Content', '', text())],
  ['206', respond('206 Partial Content', 'Content-Range: bytes 0-1/9', text('ab'))],
  ['207', respond('207 Multi-Status', 'Content-Type: application/xml', text('<a/>'))],
  ['301', respond('301 Moved Permanently', 'Location: https://elsewhere.test/', text())],
  ['302', respond('302 Found', 'Location: //a/b', text('moved'))],
  ['304', respond('304 Not Modified', 'ETag: "a"', NONE)],
  [
    '304 with the length of what it stands for',
    respond('304 Not Modified', 'Content-Length: 9', NONE),
  ],
  ['307', respond('307 Temporary Redirect', 'Location: ?x', text())],
  ['400', respond('400 Bad Request', '', text('no'))],
  [
    '401',
    respond(
      '401 Unauthorized',
      'WWW-Authenticate: Basic realm="a, b"\nWWW-Authenticate: Bearer',
      text(),
    ),
  ],
  ['404', respond('404 Not Found', '', text('gone'))],
  ['405', respond('405 Method Not Allowed', 'Allow: ', text())],
  ['416', respond('416 Range Not Satisfiable', 'Content-Range: bytes */9', text())],
  ['418', respond('418 I am a teapot', '', text('short and stout'))],
  ['429', respond('429 Too Many Requests', 'Retry-After: 5', text())],
  ['451', respond('451 Unavailable For Legal Reasons', '', text())],
  ['500', respond('500 Internal Server Error', '', text('oops'))],
  ['502', respond('502 Bad Gateway', 'X-Mine: 1', text('theirs'))],
  ['503', respond('503 Service Unavailable', 'Retry-After: Wed, 21 Oct 2026 07:28:00 GMT', text())],
  ['599', respond('599 Odd', '', text())],
  ['999', respond('999 Odder', '', text('x'))],
  ['chunks', respond('200 OK', '', chunked('a', 'bc', 'def'))],
  ['no chunk', respond('200 OK', '', chunked())],
  ['chunk extensions', respond('200 OK', '', { ...chunked('a'), extension: ';x=y' })],
  [
    'trailers',
    respond('200 OK', 'Trailer: X-Sum', {
      ...chunked('a'),
      trailers: fieldsOf('X-Sum: 1\nx-sum: 2'),
    }),
  ],
  [
    'trailers that belong into a head',
    respond('200 OK', 'Trailer: Set-Cookie, X-Sum', {
      ...chunked('a'),
      trailers: fieldsOf('Set-Cookie: a=b\nX-Sum: 1'),
    }),
  ],
  ['a body until the end', respond('200 OK', '', { framing: 'close', chunks: ['until the end'] })],
  ['nothing until the end', respond('200 OK', '', { framing: 'close', chunks: [] })],
  ['70,000 bytes', respond('200 OK', '', text('x'.repeat(70_000)))],
  [
    '70,000 bytes in chunks',
    respond('200 OK', '', chunked('x'.repeat(70_000), 'x'.repeat(70_000))),
  ],
  [
    'bytes that are no text',
    respond('200 OK', '', text('\u0000\u00ff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n')),
  ],
  [
    'cookies',
    respond(
      '200 OK',
      'Set-Cookie: a=1; Path=/\nX-A: 1\nset-cookie: b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT\nSet-Cookie: a=3',
      text(),
    ),
  ],
  [
    'our own cookies',
    respond('200 OK', 'Set-Cookie: a=1\nSet-Cookie: __Host-postern-app=x; Secure', text()),
  ],
  ['repeated fields', respond('200 OK', 'X-A: 1\nx-b: 2\nX-a: 3\nVary: a\nVary: b', text())],
  [
    'odd names and values',
    respond(
      '200 OK',
      'X!#$%&\'*+-.^_`|~0: "\\(),/:;<=>?@[]{}\nX-Empty: \nX-Latin: caf\u00e9',
      text(),
    ),
  ],
  ['long fields', respond('200 OK', 'X-Long: ' + 'v'.repeat(20_000), text())],
  [
    'many fields',
    respond('200 OK', Array.from({ length: 200 }, (_, n) => `X-${n}: ${n}`).join('\n'), text()),
  ],
  [
    'a Date of its own',
    respond('200 OK', 'Date: Wed, 21 Oct 2026 07:28:00 GMT\nServer: odd/1', text()),
  ],
  [
    'Connection that lists fields',
    respond('200 OK', 'Connection: X-Hop\nX-Hop: 1\nX-Kept: 2', text()),
  ],
  ['Keep-Alive', respond('200 OK', 'Connection: keep-alive\nKeep-Alive: timeout=9', text())],
  ['Upgrade on offer', respond('200 OK', 'Upgrade: h2c\nConnection: Upgrade', text())],
  [
    'Proxy-Authenticate',
    respond('407 Proxy Authentication Required', 'Proxy-Authenticate: Basic', text()),
  ],
  [
    'a compressed body',
    respond('200 OK', 'Content-Encoding: gzip\nVary: Accept-Encoding', text('\u001f\u008b')),
  ],
  [
    'security fields',
    respond(
      '200 OK',
      "Strict-Transport-Security: max-age=1\nContent-Security-Policy: default-src 'self'\nX-Request-Id: theirs",
      text(),
    ),
  ],
  [
    'events',
    respond('200 OK', 'Content-Type: text/event-stream', chunked('data: 1\n\n', 'data: 2\n\n')),
  ],
  ['102 before', respond('200 OK', '', text('ok'), 'HTTP/1.1 102 Processing\r\n\r\n')],
  [
    '103 before',
    respond(
      '200 OK',
      '',
      text('ok'),
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n',
    ),
  ],
  [
    '103 without a Link',
    respond('200 OK', '', text('ok'), 'HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n'),
  ],
  ['199 before', respond('200 OK', '', text('ok'), 'HTTP/1.1 199 Odd\r\nX-A: 1\r\n\r\n')],
];
