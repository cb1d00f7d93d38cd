import { describe, expect, it } from '@jest/globals';
import { compilePath, PATH_LIMITS } from '../../../../src/config/connector/path-pattern.ts';

describe('compilePath()', () => {
  it.each([
    ['/api', '/api/users', true],
    ['/api', '/x/api', true],
    ['^/api', '/x/api', false],
    ['\\.(css|js)$', '/a/site.css', true],
    ['\\.(css|js)$', '/a/site.css/b', false],
    ['(?i)/API', '/api', true],
    ['^/\\p{Greek}+$', '/αβγ', true],
    ['', '/', true],
    ['^$', '', true],
  ])('%j is found in %j: %j', (text, path, isFound) => {
    expect(compilePath(text).test(path)).toBe(isFound);
  });

  it.each(['(', '[a', '(?=a)', '(?!a)', '(?<=a)', '\\1', 'a{1001}', '((a{100}){100})', '*'])(
    'refuses %j and quotes it',
    (text) => {
      expect(() => compilePath(text)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining(`"${text}"`),
        }),
      );
    },
  );

  it('refuses an expression that is too long, and takes one that just fits', () => {
    expect(() => compilePath('a'.repeat(PATH_LIMITS.characters + 1))).toThrow(/501 characters/);
    expect(compilePath(`[${'a'.repeat(PATH_LIMITS.characters - 2)}]`).test('a')).toBe(true);
  });

  it('refuses an expression that compiles to too large a program', () => {
    expect(() => compilePath('[ab]{499}')).toThrow(/repeats too much/);
    expect(compilePath('[ab]{400}').test('a'.repeat(400))).toBe(true);
  });

  it('is not slowed down by expressions that end a backtracking engine', () => {
    const path = `/${'a'.repeat(8000)}!`;
    const startedAt = performance.now();
    for (const text of ['(a+)+$', '(a|aa)+$', '(a*)*b', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
      expect(compilePath(text).test(path)).toBe(false);
    }
    // Backtracking would take longer than the universe has; seconds leave room for a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
