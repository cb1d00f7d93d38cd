import { describe, expect, it } from '@jest/globals';
import { isGatewayOwned } from '../../../../../src/gateway/http/fields/header-rules.ts';
import {
  type RequestHeadersInput,
  requestHeaders,
} from '../../../../../src/gateway/http/fields/request-headers.ts';
import {
  findHeader,
  responseHeaders,
} from '../../../../../src/gateway/http/fields/response-headers.ts';

const OURS = [
  'X-Forwarded-For',
  '192.0.2.7',
  'X-Forwarded-Host',
  'app.test:8443',
  'X-Forwarded-Proto',
  'https',
  'X-Request-Id',
  'deadbeef',
];

function sent(rawHeaders: string[], changes: Partial<RequestHeadersInput> = {}): string[] {
  return requestHeaders({
    rawHeaders: ['Host', 'app.test:8443', ...rawHeaders],
    host: 'app.test:8443',
    forwardedFor: '192.0.2.7',
    isTls: true,
    requestId: 'deadbeef',
    hasBody: false,
    ...changes,
  });
}

describe('requestHeaders()', () => {
  it('keeps order, spelling and repetition, the Host first and ours last', () => {
    const own = [
      'ACCEPT',
      '*/*',
      'X-b',
      '1',
      'x-a',
      '2',
      'X-b',
      '3',
      'Cookie',
      'a=b',
      'Cookie',
      'c',
    ];
    expect(sent(own)).toEqual(['Host', 'app.test:8443', ...own, ...OURS]);
  });

  it('replaces Host where the rule says so, and tells the origin the old one', () => {
    const headers = sent([], { hostHeader: 'intern' });
    expect(headers.slice(0, 2)).toEqual(['Host', 'intern']);
    expect(headers).toContain('app.test:8443');
  });

  it('says http without TLS', () => {
    expect(sent([], { isTls: false })).toContain('http');
  });

  it('P18 removes what only a proxy may say, and says it itself', () => {
    const spoofed = [
      ['X-Forwarded-For', '6.6.6.6', 'X-Forwarded-Host', 'evil', 'X-Forwarded-Proto', 'ftp'],
      ['X-Forwarded-Uri', '/admin', 'X-Forwarded-User', 'root', 'Forwarded', 'for=6.6.6.6'],
      ['X-Real-IP', '6.6.6.6', 'X-Request-Id', 'mine', 'Postern-Access-Jwt-Assertion', 'ey'],
      ['X-Original-URL', '/admin', 'Proxy', 'http://evil', 'Cf-Access-Jwt-Assertion', 'ey'],
    ];
    expect(sent(spoofed.flat())).toEqual(['Host', 'app.test:8443', ...OURS]);
  });

  it('P19 removes aliases that a lenient origin would read as ours', () => {
    const aliases = [
      ['X_Forwarded_For', '1', 'x-forwarded_for', '2', 'X-FORWARDED-USER', '3'],
      ['postern_access_jwt_assertion', '4', 'Postern.Access~Email', '5', 'X_Request_ID', '6'],
    ];
    expect(sent(aliases.flat())).toEqual(['Host', 'app.test:8443', ...OURS]);
  });

  it('P20 removes what Connection lists before it adds ours', () => {
    const fields = ['Connection', 'x-secret, Keep-Alive', 'Connection', 'X-Two', 'X-Secret', '1'];
    const rest = ['x-two', '2', 'Keep-Alive', 'timeout=5', 'X-Three', '3'];
    expect(sent([...fields, ...rest])).toEqual(['Host', 'app.test:8443', 'X-Three', '3', ...OURS]);
  });

  it('removes hop-by-hop fields, Expect, and the length of no body; of TE stays that trailers are welcome', () => {
    const fields = [
      ['Connection', 'close', 'Keep-Alive', '1', 'Proxy-Connection', 'x', 'TE', 'trailers'],
      [
        'Trailer',
        'X-T',
        'Transfer-Encoding',
        'chunked',
        'Upgrade',
        'h2c',
        'Expect',
        '100-continue',
      ],
      ['Proxy-Authorization', 'Basic x', 'Content-Length', '0'],
    ];
    expect(sent(fields.flat())).toEqual(['Host', 'app.test:8443', 'TE', 'trailers', ...OURS]);
    expect(sent(['TE', 'gzip, deflate;q=0.5'])).toEqual(['Host', 'app.test:8443', ...OURS]);
    expect(sent(['Content-Length', '5'], { hasBody: true })).toContain('Content-Length');
  });
});

describe('isGatewayOwned()', () => {
  it.each(['x-forwarded-anything', 'postern-x', 'forwarded', 'x-real-ip', 'cf-connecting-ip'])(
    'says so of %s',
    (name) => expect(isGatewayOwned(name)).toBe(true),
  );

  it.each([
    'x-forward',
    'cookie',
    'authorization',
    'content-type',
    'x-csrf-token',
    'cf-ray',
    'via',
  ])('does not of %s', (name) => expect(isGatewayOwned(name)).toBe(false));
});

function raw(fields: string[]): Buffer[] {
  return fields.map((text) => Buffer.from(text, 'latin1'));
}

describe('responseHeaders()', () => {
  it('keeps order, spelling and repetition, several Set-Cookie among them', () => {
    const fields = ['set-cookie', 'a=1', 'X-B', 'é', 'Set-Cookie', 'b=2', 'set-cookie', 'a=3'];
    expect(responseHeaders(raw(fields)).headers).toEqual(fields);
  });

  it('P25 removes cookies of ours, in whatever case', () => {
    const own = ['__Host-postern_app_1=x; Path=/', '__HOST-Postern_session=y', ' __host-postern=z'];
    const others = ['postern=1', 'a=__Host-postern_app_1', '__Host-other=2', '__Secure-postern=3'];
    const fields = [...own, ...others].flatMap((cookie) => ['Set-Cookie', cookie]);
    expect(responseHeaders(raw(fields)).headers.filter((_, at) => at % 2 === 1)).toEqual(others);
  });

  it('removes what frames the message and what Connection lists, and reads the length', () => {
    const fields = ['Content-Length', '12', 'Connection', 'x-hop, close', 'X-Hop', '1', 'A', 'b'];
    const framing = ['Transfer-Encoding', 'chunked', 'Trailer', 'X-T', 'Keep-Alive', 'timeout=5'];
    expect(responseHeaders(raw([...fields, ...framing, 'Upgrade', 'h2']))).toEqual({
      headers: ['Content-Length', '12', 'A', 'b'],
      contentLength: 12,
      isChunked: true,
      trailer: 'X-T',
    });
  });

  it('does not let Connection remove the length', () => {
    const fields = ['Connection', 'content-length', 'Content-Length', '3'];
    expect(responseHeaders(raw(fields)).headers).toEqual(['Content-Length', '3']);
  });

  it('findHeader() finds the first value by its lower-case name', () => {
    expect(findHeader(raw(['Abc', '1', 'UPGRADE', 'x', 'upgrade', 'y']), 'upgrade')).toBe('x');
    expect(findHeader(raw(['Abc', '1']), 'upgrade')).toBeUndefined();
  });
});
