import { describe, expect, it } from '@jest/globals';
import { compileRewrite } from '../../../../src/config/connector/path-rewrite.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const rewrite = (path: string, to: string, of: string): string =>
  compileRewrite({ path, to }).apply(of);

describe('compileRewrite()', () => {
  it.each([
    ['^/api/(.*)', '/$1', '/api/users/7', '/users/7'],
    ['^/api', '', '/api/users', '/users'],
    ['^/api', '', '/api', '/'],
    ['^/api/', '/', '/other', '/other'],
    ['^', '/base', '/x', '/base/x'],
    ['^/(?P<lang>de|en)/(.*)$', '/$2/${lang}', '/de/a/b', '/a/b/de'],
    ['/v1/', '/v2/', '/a/v1/b/v1/c', '/a/v2/b/v1/c'],
    ['\\.php$', '', '/index.php', '/index'],
    ['^/a(b)?', '/x$1', '/a/c', '/x/c'],
    ['^/price/(\\d+)$', '/$$$1', '/price/5', '/$5'],
    ['^/%C3%A4/', '/ae/', '/%C3%A4/x', '/ae/x'],
    ['^/x/', '/', '/x/a;b', '/a;b'],
  ])('%s to %j makes of %s %s', (path, to, of, expected) => {
    expect(rewrite(path, to, of)).toBe(expected);
  });

  it.each([
    ['^/a', '', '/a../admin', 'a dot segment'],
    ['^/a(.*)', '/$1', '/a/b', 'an empty segment'],
    ['^/a(.*)', '$1', '/ab', 'no slash in front'],
    ['^/a', '', '/a%2Fb', 'no slash in front'],
    ['^/(.*)', '/%2e%2e/$1', '/a', 'an encoded dot segment'],
    ['/(.)/', '/%2$1', '/f/a', 'an encoded slash'],
  ])('%s to %j refuses %s: %s would come out', (path, to, of) => {
    expect(() => rewrite(path, to, of)).toThrow(
      expect.objectContaining({ code: 'HTTP_BAD_REQUEST' }),
    );
  });

  it.each([
    ['(', '/'],
    ['(?=x)', '/'],
    ['a'.repeat(501), '/'],
    ['(a{100}){100}', '/'],
    ['^/(.*)', '/$2'],
    ['^/(.*)', '/${name}'],
    ['^/(?P<a>.*)', '/${__proto__}'],
    ['^/', '/a$'],
    ['^/', '/?query'],
    ['^/', '/#'],
    ['^/', '/a b'],
    ['^/', '/a\r\nX: y'],
    ['^/', '/\\'],
    ['^/', '/a;b'],
    ['^/', `/${'a'.repeat(LIMITS.rewriteChars)}`],
  ])('refuses %j to %j', (path, to) => {
    expect(() => compileRewrite({ path, to })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  it('refuses a path that becomes too long', () => {
    const grow = compileRewrite({ path: '^/(.*)$', to: `/${'$1'.repeat(10)}` });
    expect(grow.apply(`/${'a'.repeat(1_000)}`)).toHaveLength(10_001);
    expect(() => grow.apply(`/${'a'.repeat(2_000)}`)).toThrow(
      expect.objectContaining({ code: 'HTTP_BAD_REQUEST' }),
    );
  });
});
