/** The error class, and what is read off anything that was thrown. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { ERROR_CODES } from '../../../src/core/error-codes.ts';
import { PosternError, codeOf, hasCode, messageOf } from '../../../src/core/error.ts';

describe('PosternError', () => {
  it('carries its code, its sentence and its cause', () => {
    const cause = new Error('below');
    const error = new PosternError('LINK_DNS', 'Cannot resolve "gw"', { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'PosternError', code: 'LINK_DNS', cause });
    expect(String(error)).toBe('PosternError: Cannot resolve "gw"');
    expect(error.stack).toContain('error.test.ts');
  });

  it('has no cause where none was given', () => {
    expect('cause' in new PosternError('LINK_DNS', 'x')).toBe(false);
  });
});

describe('codeOf() and hasCode()', () => {
  it('read our codes and those of Node, also of another realm', async () => {
    const nodeError: unknown = await readFile('/does/not/exist').catch((err: unknown) => err);
    expect(codeOf(nodeError)).toBe('ENOENT');
    expect(hasCode(nodeError, 'ENOENT')).toBe(true);
    expect(codeOf(new PosternError('LINK_DNS', 'x'))).toBe('LINK_DNS');
    expect(hasCode(new PosternError('LINK_DNS', 'x'), 'LINK_TLS')).toBe(false);
  });

  it.each([undefined, null, 'LINK_DNS', 7, {}, new Error('x'), { code: 7 }])(
    'find none on %p',
    (thrown) => {
      expect(codeOf(thrown)).toBeUndefined();
    },
  );
});

describe('messageOf()', () => {
  it.each([
    [new Error('sentence'), 'sentence'],
    [{ message: 'sentence' }, 'sentence'],
    [{ message: 7 }, '7'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('says something about %p', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});

describe('ERROR_CODES', () => {
  it.each(Object.entries(ERROR_CODES))('%s has a form and says what it means', (code, meaning) => {
    expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)+$/);
    expect(meaning).toMatch(/^[A-Z].*[^.\s]$/);
  });
});
