import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isBelow, isCanonicalPath, parsePathPrefix } from '../../../src/config/canonical-path.ts';
import { cpuMs } from '../../support/cpu-time.ts';

describe('isCanonicalPath()', () => {
  it.each([
    '/',
    '/admin',
    '/admin/',
    '/a/b.c/d-e_f~g',
    '/.well-known/acme',
    '/...',
    '/..a/b..',
    "/search/a%20b/(c)!$&'*+,=:@",
    '/gr%C3%B6%C3%9Fe',
    '/a%40b',
    '/100%25',
    '/a|b[c]{d}^',
  ])('%s is', (path) => {
    expect(isCanonicalPath(path)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['no slash in front', 'admin'],
    ['the server itself', '*'],
    ['an empty segment', '//admin'],
    ['an empty segment inside', '/a//b'],
    ['two slashes at the end', '/a//'],
    ['a dot segment', '/./admin'],
    ['a dot segment at the end', '/admin/.'],
    ['a segment that leads up', '/a/../admin'],
    ['a segment that leads up at the end', '/admin/..'],
    ['encoded dots', '/a/%2e%2e/admin'],
    ['half-encoded dots', '/a/.%2E/admin'],
    ['an encoded letter', '/%61dmin'],
    ['an encoded capital', '/%41dmin'],
    ['an encoded digit', '/v%31'],
    ['an encoded dash', '/a%2Db'],
    ['an encoded tilde', '/%7Eann'],
    ['an encoded underscore', '/a%5fb'],
    ['an encoded slash', '/a%2Fadmin'],
    ['an encoded backslash', '/a%5Cadmin'],
    ['a backslash', '/a\\admin'],
    ['a path parameter', '/admin;x=1'],
    ['a path parameter that hides dots', '/a/..;/admin'],
    ['an encoded semicolon', '/admin%3Bx'],
    ['twice-encoded dots', '/%252e%252e/admin'],
    ['a twice-encoded slash', '/a%252Fadmin'],
    ['an encoded NUL', '/admin%00'],
    ['an encoded line break', '/admin%0d%0a'],
    ['an encoded DEL', '/admin%7f'],
    ['half an escape', '/admin%'],
    ['an escape that is none', '/admin%zz'],
    ['an over-long slash', '/a%c0%afadmin'],
    ['an over-long dot', '/a/%e0%80%ae'],
    ['Latin-1', '/gr%f6sse'],
    ['a raw letter beyond ASCII', '/größe'],
    ['a space', '/a b'],
    ['a query', '/admin?x'],
    ['a fragment', '/admin#x'],
    ['a line break', '/admin\n'],
    ['a control character', '/a\u0000'],
  ])('P21 %s is not: %j', (_, path) => {
    expect(isCanonicalPath(path)).toBe(false);
  });

  it('P21 a canonical path is what decoding and URL parsing leave as it is', () => {
    const part = fc.oneof(
      fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', ';', '\\', '%', 'a', 'admin', '%61'),
      fc.constantFrom('%252e', '%C3%B6', '%20', '~', '%7E', '%00', '%25', '2e', '%c0%af'),
      fc.string({ maxLength: 2 }),
    );
    fc.assert(
      fc.property(
        fc.array(part).map((parts) => `/${parts.join('')}`),
        (path) => {
          if (!isCanonicalPath(path)) return;
          const { pathname } = new URL(`http://h${path}`);
          // What browsers encode that is sent raw by others.
          expect(pathname.replaceAll(/%7[bd]|%5e/gi, (code) => decodeURIComponent(code))).toBe(
            path,
          );
          // The same segments, whether an origin splits first or decodes first.
          const decoded = path.split('/').map((segment) => decodeURIComponent(segment));
          expect(decodeURIComponent(path).split('/')).toEqual(decoded);
          expect(decoded.some((segment) => /^\.{1,2}$|[;\\\0]/.test(segment))).toBe(false);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('takes time that grows with the path and no faster', () => {
    const long = `/${'%2'.repeat(50_000)}`;
    const started = process.cpuUsage();
    expect(isCanonicalPath(long)).toBe(false);
    expect(isCanonicalPath(`/${'a/'.repeat(50_000)}`)).toBe(true);
    expect(cpuMs(started)).toBeLessThan(3_000);
  });
});

describe('isBelow()', () => {
  it.each([
    ['/', '/', true],
    ['/', '/anything', true],
    ['/admin', '/admin', true],
    ['/admin', '/admin/', true],
    ['/admin', '/admin/x', true],
    ['/admin', '/administrator', false],
    ['/admin', '/admin.html', false],
    ['/admin', '/Admin', false],
    ['/admin', '/', false],
    ['/admin', '/x/admin', false],
    ['/a/b', '/a/b/c', true],
    ['/a/b', '/a', false],
  ])('%s and %s: %j', (prefix, path, expected) => {
    expect(isBelow(prefix, path)).toBe(expected);
  });
});

describe('parsePathPrefix()', () => {
  it('drops the slash at the end', () => {
    expect(parsePathPrefix('/admin/')).toBe('/admin');
    expect(parsePathPrefix('/')).toBe('/');
  });

  it.each(['', 'admin', '//', '/a//b', '/a/..', '/.', '/%61', '/a;b', '/a@b', '/ö', '/*', '/a?b'])(
    'refuses %j',
    (text) => {
      expect(() => parsePathPrefix(text)).toThrow('is not a path to protect');
    },
  );
});
