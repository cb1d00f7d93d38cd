/** What requests of the differential test are made of: valid parts, and odd ones that are valid all the same. */
import { fieldsOf, type Body, type Field } from './message.ts';

export interface Request {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly Field[];
  readonly body: Body;
  readonly version?: '1.0' | '1.1';
}

/** The hostname that leads to the origin. */
export const APP = 'app.postern.test';

export const NONE: Body = { framing: 'none', chunks: [] };

export const text = (...chunks: string[]): Body => ({ framing: 'length', chunks });

export const chunked = (...chunks: string[]): Body => ({ framing: 'chunked', chunks });

export const GET: Request = { method: 'GET', target: '/', fields: [], body: NONE };

export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'REPORT',
  'MKCOL',
  'SEARCH',
  'PURGE',
] as const;

const BIG = 'x'.repeat(70_000);

export const BODIES: readonly (readonly [name: string, body: Body])[] = [
  ['nothing', NONE],
  ['a length of 0', text()],
  ['a length', text('a=1&b=2')],
  ['bytes that are no text', text('\u0000\u00ff\r\n\r\nGET / HTTP/1.1')],
  ['70,000 bytes', text(BIG)],
  ['one chunk', chunked('hello')],
  ['many chunks', chunked(...Array.from({ length: 40 }, (_, n) => `${n} `))],
  ['a large chunk', chunked(BIG, 'end')],
  ['no chunk', chunked()],
  ['chunk extensions', { ...chunked('a', 'b'), extension: ';n=v;q="x"' }],
  ['trailers', { ...chunked('a'), trailers: fieldsOf('X-Sum: 1') }],
  ['trailers behind no chunk', { ...chunked(), trailers: fieldsOf('X-Sum: 1\nx-sum: b: c') }],
  [
    'trailers that belong into a head',
    {
      ...chunked(BIG, 'a'),
      trailers: fieldsOf('Authorization: x\nX_Forwarded_For: 1\nX-Sum: 1'),
    },
  ],
];

export const TARGETS = [
  '/',
  '//',
  '/a/b/c',
  '/a/',
  '/a//b',
  '/./a',
  '/a/../b',
  '/a;b=c;d',
  '/%20',
  '/%2F',
  '/%2e%2e/a',
  '/%e4%b8%ad',
  '/%E4%B8%AD',
  '/%zz',
  '/%',
  '/a%00b',
  "/!$&'()*+,;=:@",
  '/~user/-_.',
  '/|^`{}"<>',
  '/?',
  '/??',
  '/?a=b&a=c',
  '/?a=/../b',
  '/?a=%20+',
  '/?\\',
  '/?q=http://x/?y',
  '/?[]',
  '/a?b?c',
  `/${'a'.repeat(4_000)}`,
  `/?${'b'.repeat(8_000)}`,
  '/index.html',
  '/.well-known/x',
  '/a:b',
  `https://${APP}/abs?x`,
  `HTTPS://${APP.toUpperCase()}`,
  '/*',
  '/0',
] as const;

export const FIELD_SETS: readonly (readonly [name: string, fields: readonly Field[]])[] = [
  ['a plain one', fieldsOf('X-A: 1')],
  ['an empty value', fieldsOf('X-Empty: ')],
  ['odd case', fieldsOf('x-oDD-cAsE: KePt')],
  ['repeated', fieldsOf('X-A: 1\nX-B: 2\nx-a: 3\nX-A: ')],
  ['bytes over 127', fieldsOf('X-Latin: caf\u00e9 \u00ff')],
  ['a tab inside', fieldsOf('X-Tab: a\tb')],
  ['every character of a name', fieldsOf("X!#$%&'*+-.^_`|~0aZ: 1")],
  ['punctuation', fieldsOf('X-P: "\\(),/:;<=>?@[]{}')],
  ['a long value', fieldsOf('X-Long: ' + 'v'.repeat(8_000))],
  ['many fields', Array.from({ length: 120 }, (_, n): Field => [`X-${n}`, String(n)])],
  ['cookies', fieldsOf('Cookie: a=1; b=2; a=3')],
  ['two Cookie fields', fieldsOf('Cookie: a=1\nCookie: b=2')],
  ['our own cookies', fieldsOf('Cookie: a=1; __Host-postern-app=secret; b=2')],
  ['basic credentials', fieldsOf('Authorization: Basic dTpw')],
  ['a bearer token', fieldsOf('Authorization: Bearer abc.def')],
  ['a range', fieldsOf('Range: bytes=0-99, -5\nIf-Range: "e"')],
  [
    'conditions',
    fieldsOf('If-None-Match: "a", W/"b"\nIf-Modified-Since: Wed, 21 Oct 2026 07:28:00 GMT'),
  ],
  [
    'what it takes',
    fieldsOf('Accept: */*;q=0.1\nAccept-Encoding: br, gzip, zstd\nAccept-Language: de'),
  ],
  ['a user agent', fieldsOf('User-Agent: curl/8.0 (x; y) z')],
  ['who sent it', fieldsOf('Referer: https://a.test/?b#c\nOrigin: null')],
  [
    'cross-origin questions',
    fieldsOf('Access-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-a'),
  ],
  ['caching', fieldsOf('Cache-Control: no-cache, max-age=0\nPragma: no-cache')],
  ['Via and Max-Forwards', fieldsOf('Via: 1.1 a\nMax-Forwards: 3')],
  [
    'tracing',
    fieldsOf('traceparent: 00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01\nbaggage: a=b'),
  ],
  ['a priority', fieldsOf('Priority: u=1, i\nDNT: 1\nSec-Fetch-Mode: cors')],
  [
    'a content type',
    fieldsOf('Content-Type: multipart/form-data; boundary="x"\nContent-Encoding: gzip'),
  ],
  [
    'fields like framing',
    fieldsOf('Content-Lengt: 5\nContent-Length-X: 5\nX-Transfer-Encoding: chunked'),
  ],
  ['HTTP methods as fields', fieldsOf('X-HTTP-Method-Override: DELETE')],
  ['Connection: close', fieldsOf('Connection: close')],
  ['Connection: keep-alive', fieldsOf('Connection: keep-alive\nKeep-Alive: timeout=5')],
  [
    'Connection that lists fields',
    fieldsOf('Connection: X-Hop, x-other\nX-Hop: 1\nX-Other: 2\nX-Kept: 3'),
  ],
  ['Connection twice', fieldsOf('Connection: x-hop\nConnection: keep-alive\nX-Hop: 1')],
  ['Proxy-Connection', fieldsOf('Proxy-Connection: keep-alive\nProxy-Authorization: Basic x')],
  ['TE: trailers', fieldsOf('Connection: TE\nTE: trailers')],
  ['TE with codings', fieldsOf('TE: gzip;q=0.5, trailers')],
  ['TE without trailers', fieldsOf('TE: deflate')],
  ['Upgrade to something else', fieldsOf('Connection: Upgrade\nUpgrade: foo/2')],
  [
    'X-Forwarded-*',
    fieldsOf('X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: gopher\nX_Forwarded_User: root'),
  ],
  [
    'addresses by other names',
    fieldsOf('X-Real-IP: 6.6.6.6\nForwarded: for=6.6.6.6\nTrue-Client-IP: 6.6.6.6'),
  ],
  [
    'our own names',
    fieldsOf('Postern-Access-Jwt-Assertion: x\npostern_user: root\nX-Request-Id: mine'),
  ],
  [
    'names that change the path',
    fieldsOf('X-Original-URL: /admin\nX-Rewrite-Url: /admin\nProxy: http://x'),
  ],
];
