import { describe, expect, it } from '@jest/globals';
import {
  type GuardRefusal,
  type GuardedRequest,
  type RequestHead,
  checkRequest,
} from '../../../../src/gateway/http/request-guard.ts';

const HOST = ['Host', 'app.test'];

function check(head: Partial<RequestHead> = {}): GuardedRequest | GuardRefusal {
  const base = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders: HOST, isUpgrade: false };
  return checkRequest({ ...base, ...head });
}

function refusal(head: Partial<RequestHead>): { status: number; code: string } | 'let through' {
  const verdict = check(head);
  if (verdict.ok) return 'let through';
  return { status: verdict.status, code: verdict.error.code };
}

const BAD = { status: 400, code: 'HTTP_BAD_REQUEST' };

describe('checkRequest() lets through', () => {
  it('an ordinary request, with its host, hostname, target and path', () => {
    expect(check({ url: '/a/b?c=d', rawHeaders: ['Host', 'App.Test:8443'] })).toEqual({
      ok: true,
      host: 'App.Test:8443',
      hostname: 'app.test',
      target: '/a/b?c=d',
      path: '/a/b',
      hasBody: false,
      isWebSocket: false,
    });
  });

  it.each([
    ['a length', ['Content-Length', '5'], true],
    ['a length of 0', ['Content-Length', '0'], false],
    ['chunks', ['Transfer-Encoding', 'chunked'], true],
    ['chunks in other letters', ['transfer-encoding', 'Chunked'], true],
  ])('a body with %s', (_name, fields, hasBody) => {
    expect(check({ method: 'POST', rawHeaders: [...HOST, ...fields] })).toMatchObject({
      ok: true,
      hasBody,
    });
  });

  it('P10 an absolute-form target that names the Host, as an origin-form one', () => {
    const rawHeaders = ['Host', 'app.test'];
    expect(check({ url: 'http://APP.test/x?y', rawHeaders })).toMatchObject({ target: '/x?y' });
    expect(check({ url: 'https://app.test:443?y', rawHeaders })).toMatchObject({ target: '/?y' });
    expect(check({ url: 'http://app.test', rawHeaders })).toMatchObject({ target: '/', path: '/' });
  });

  it('an IPv6 host, a trailing dot, and a backslash in a query, which browsers send raw', () => {
    expect(check({ rawHeaders: ['Host', '[::1]:8080'] })).toMatchObject({ hostname: '[::1]' });
    expect(check({ rawHeaders: ['Host', 'app.test.'] })).toMatchObject({ hostname: 'app.test' });
    expect(check({ url: '/?path=C:\\x' })).toMatchObject({ ok: true });
  });

  it('a request whose SNI names the same host in another spelling', () => {
    expect(check({ servername: 'APP.test' })).toMatchObject({ ok: true });
  });

  it('a WebSocket', () => {
    const rawHeaders = [...HOST, 'Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket'];
    expect(check({ rawHeaders, isUpgrade: true })).toMatchObject({ ok: true, isWebSocket: true });
  });

  it.each(['h2c', 'foo', 'websocket, h2c', 'TLS/1.0'])(
    'P15 Upgrade: %s, as a request without it',
    (protocol) => {
      const rawHeaders = [...HOST, 'Connection', 'Upgrade', 'Upgrade', protocol];
      expect(check({ rawHeaders, isUpgrade: true })).toMatchObject({
        ok: true,
        isWebSocket: false,
      });
    },
  );
});

describe('checkRequest() refuses', () => {
  it.each(['identity, chunked', 'chunked, identity', 'xchunked', 'gzip', 'chunked,', ''])(
    'P4 Transfer-Encoding: %s',
    (encoding) => {
      expect(refusal({ rawHeaders: [...HOST, 'Transfer-Encoding', encoding] })).toEqual(BAD);
    },
  );

  it('P3 two Transfer-Encoding fields', () => {
    const twice = ['Transfer-Encoding', 'chunked', 'transfer-encoding', 'chunked'];
    expect(refusal({ rawHeaders: [...HOST, ...twice] })).toEqual(BAD);
  });

  it('P1 Content-Length with Transfer-Encoding', () => {
    const both = ['Content-Length', '4', 'Transfer-Encoding', 'chunked'];
    expect(refusal({ rawHeaders: [...HOST, ...both] })).toEqual(BAD);
  });

  it.each([
    ['two', ['Content-Length', '4', 'Content-Length', '4']],
    ['signed', ['Content-Length', '+4']],
    ['hexadecimal', ['Content-Length', '0x4']],
    ['listed', ['Content-Length', '4, 4']],
    ['endless', ['Content-Length', '9'.repeat(40)]],
  ])('P2 Content-Length that is %s', (_name, fields) => {
    expect(refusal({ rawHeaders: [...HOST, ...fields] })).toEqual(BAD);
  });

  it('P5 HTTP/1.0 with Transfer-Encoding', () => {
    const rawHeaders = [...HOST, 'Transfer-Encoding', 'chunked'];
    expect(refusal({ httpVersion: '1.0', rawHeaders })).toEqual(BAD);
  });

  it.each(['0.9', '2.0', '1.2'])('HTTP/%s', (httpVersion) => {
    expect(refusal({ httpVersion })).toEqual(BAD);
  });

  it('P9 two Host fields, also equal ones', () => {
    expect(refusal({ rawHeaders: [...HOST, 'host', 'app.test'] })).toEqual(BAD);
  });

  it.each([
    ['Authorization', 'Basic dTpw'],
    ['Content-Type', 'text/plain'],
    ['Content-Range', 'bytes 0-1/2'],
    ['Expect', '100-continue'],
    ['If-Modified-Since', 'Sat, 21 Nov 2026 00:00:00 GMT'],
    ['If-Range', '"a"'],
    ['If-Unmodified-Since', 'Sat, 21 Nov 2026 00:00:00 GMT'],
    ['Max-Forwards', '1'],
    ['Origin', 'https://app.test'],
    ['Range', 'bytes=0-1'],
  ])('P9 two %s fields, also equal ones', (name, value) => {
    const once = [...HOST, name, value];
    expect(check({ rawHeaders: once })).toMatchObject({ ok: true });
    expect(refusal({ rawHeaders: [...once, 'X-A', 'b', name.toLowerCase(), value] })).toEqual(BAD);
  });

  it.each([
    'http://other.test/',
    'http://app.test:81/',
    'http://user@app.test/',
    'http://app.test#x/',
    'ftp://app.test/',
    'app.test:443',
    '*',
    '',
  ])('P10 the target %s', (url) => {
    expect(refusal({ url })).toEqual(BAD);
  });

  it('P11 no Host', () => {
    expect(refusal({ rawHeaders: [] })).toEqual(BAD);
    expect(refusal({ rawHeaders: [], httpVersion: '1.0' })).toEqual(BAD);
  });

  it.each([
    '',
    'a b',
    'a,b',
    'user@a',
    'a/b',
    'a:b',
    'a:123456',
    '[::1',
    'a\u00e9',
    'a"b',
    'a%2eb',
  ])('a Host field of %j', (host) => {
    expect(refusal({ rawHeaders: ['Host', host] })).toEqual(BAD);
  });

  it('P12 a Host other than the name of the TLS connection', () => {
    expect(refusal({ servername: 'other.test' })).toEqual({
      status: 421,
      code: 'HTTP_MISDIRECTED',
    });
  });

  it.each(['POST', 'PUT', 'GET'])('P16 %s with a body and Upgrade', (method) => {
    const upgrade = [...HOST, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const rawHeaders = [...upgrade, 'Content-Length', '3'];
    expect(refusal({ method, rawHeaders, isUpgrade: true })).toEqual({
      status: 400,
      code: 'HTTP_UPGRADE',
    });
  });

  it('an upgrade to WebSocket by another method, or of HTTP/1.0', () => {
    const rawHeaders = [...HOST, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const refused = { status: 400, code: 'HTTP_UPGRADE' };
    expect(refusal({ method: 'POST', rawHeaders, isUpgrade: true })).toEqual(refused);
    expect(refusal({ httpVersion: '1.0', rawHeaders, isUpgrade: true })).toEqual(refused);
  });

  it.each(['CONNECT', 'TRACE'])('P17 %s', (method) => {
    expect(refusal({ method })).toEqual({ status: 405, code: 'HTTP_METHOD' });
  });

  it.each([
    'X-Forwarded-For',
    'x_forwarded_user',
    'Postern-Access-Jwt-Assertion',
    'X-Request-Id',
    'Host',
    'Content-Length',
    'Transfer-Encoding',
  ])('P20 a Connection field that lists %s', (name) => {
    expect(refusal({ rawHeaders: [...HOST, 'Connection', `close, ${name}`] })).toEqual(BAD);
  });

  it.each(['/a#b', '/a?b#c', '/a b', '/a\tb', '/a\u0000b', '/a\u007f', '/a\\b', '/\\evil.test'])(
    'P22 the target %j',
    (url) => {
      expect(refusal({ url })).toEqual(BAD);
    },
  );
});
