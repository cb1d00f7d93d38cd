import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ERROR_CODES, type ErrorCode } from '../../../../../src/core/error-codes.ts';
import { isPosternError } from '../../../../../src/core/error.ts';
import { statusOf } from '../../../../../src/gateway/http/answer/error-text.ts';
import { errorPage } from '../../../../../src/gateway/http/answer/error-page.ts';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

function field(headers: readonly string[], name: string): string | undefined {
  return headers[headers.indexOf(name) + 1];
}

describe('errorPage()', () => {
  it.each<[ErrorCode, number]>([
    ['ROUTE_NOT_FOUND', 404],
    ['ROUTE_NO_REPLICA', 503],
    ['ACCESS_DENIED', 403],
    ['ORIGIN_REFUSED', 502],
    ['ORIGIN_TIMEOUT', 504],
    ['ORIGIN_TLS', 502],
    ['ORIGIN_BAD_RESPONSE', 502],
    ['STREAM_LOST', 502],
    ['STREAM_LIMIT', 503],
    ['HTTP_BAD_REQUEST', 400],
    ['HTTP_UPGRADE', 400],
    ['HTTP_METHOD', 405],
    ['HTTP_MISDIRECTED', 421],
    ['HTTP_TOO_LARGE', 431],
    ['HTTP_BODY_TOO_LARGE', 413],
    ['STORE_BUSY', 503],
    ['ACCESS_SSH_OFF', 404],
    ['HTTP_TIMEOUT', 408],
    ['HTTP_INTERNAL', 500],
  ])('answers %s with %i', (code, status) => {
    expect(statusOf(code)).toBe(status);
    expect(errorPage({ code, requestId: 'r' }).status).toBe(status);
  });

  it('has an answer for every code', () => {
    for (const code of Object.keys(ERROR_CODES)) {
      const error: unknown = { code };
      if (!isPosternError(error)) throw new Error(code);
      expect(statusOf(error.code)).toBeGreaterThanOrEqual(400);
    }
  });

  it('has a title and a sentence of its own for every way a service can be out of reach', () => {
    const codes: ErrorCode[] = [
      'ROUTE_NOT_FOUND',
      'ROUTE_NO_RULE',
      'ROUTE_NO_REPLICA',
      'ORIGIN_REFUSED',
      'ORIGIN_UNREACHABLE',
      'ORIGIN_DNS',
      'ORIGIN_TIMEOUT',
      'ORIGIN_TLS',
      'ORIGIN_RESET',
      'ORIGIN_BAD_RESPONSE',
      'ORIGIN_FORBIDDEN',
      'ORIGIN_NO_RULE',
      'HTTP_TOO_LARGE',
      'HTTP_BODY_TOO_LARGE',
      'HTTP_TOO_MANY',
      'STREAM_LOST',
    ];
    const told = codes.map((code) => {
      const { body } = errorPage({ code, requestId: 'r' });
      return body.replace(code, '');
    });
    expect(new Set(told).size).toBe(codes.length);
  });

  it('says when to try again where that may help', () => {
    const after = (code: ErrorCode): string | undefined => {
      const { headers } = errorPage({ code, requestId: 'r' });
      return headers.includes('Retry-After') ? field(headers, 'Retry-After') : undefined;
    };
    expect(after('ROUTE_NO_REPLICA')).toBe('5');
    expect(after('ACCESS_TOO_MANY')).toBe('60');
    expect(after('ORIGIN_TLS')).toBeUndefined();
    expect(after('HTTP_BODY_TOO_LARGE')).toBeUndefined();
  });

  it('is HTML for browsers, with the code and the request id, and no way to run or load anything', () => {
    const page = errorPage({ code: 'ORIGIN_REFUSED', requestId: 'cafe', accept: BROWSER });
    expect(field(page.headers, 'Content-Type')).toBe('text/html; charset=utf-8');
    expect(page.body).toContain('<dd>ORIGIN_REFUSED</dd>');
    expect(page.body).toContain('<dd>cafe</dd>');
    expect(page.body).toMatch(/<html lang="en">[^]*<title>[^<]+<\/title>[^]*<main>[^]*<h1>/);
    const style = /<style>([^]*)<\/style>/.exec(page.body)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    const policy = field(page.headers, 'Content-Security-Policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${hash}'`);
    expect(page.body).not.toContain('<script');
  });

  it.each([undefined, '*/*', 'application/json', 'text/plain'])(
    'is JSON for Accept: %s',
    (accept) => {
      const page = errorPage({ code: 'ROUTE_NO_REPLICA', requestId: 'cafe', accept });
      expect(JSON.parse(page.body)).toEqual({
        error: {
          code: 'ROUTE_NO_REPLICA',
          status: 503,
          message: expect.any(String),
          requestId: 'cafe',
        },
      });
      expect(field(page.headers, 'Retry-After')).toBe('5');
    },
  );

  it('is never cached and says its length in bytes', () => {
    const page = errorPage({ code: 'ACCESS_DENIED', requestId: 'cafe', accept: BROWSER });
    expect(field(page.headers, 'Cache-Control')).toBe('no-store');
    expect(field(page.headers, 'X-Request-Id')).toBe('cafe');
    expect(field(page.headers, 'Content-Length')).toBe(String(Buffer.byteLength(page.body)));
  });

  it('escapes what it shows', () => {
    const page = errorPage({ code: 'HTTP_INTERNAL', requestId: `<b>&"'`, accept: BROWSER });
    expect(page.body).toContain('<dd>&lt;b&gt;&amp;&quot;&#39;</dd>');
  });
});
