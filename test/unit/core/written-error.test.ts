import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { readError, writeError } from '../../../src/core/written-error.ts';

describe('an error that goes to another process', () => {
  it('keeps the codes that this version knows', () => {
    expect(readError({ code: 'REGISTER_REFUSED', message: 'm' }).code).toBe('REGISTER_REFUSED');
    expect(readError({ code: 'FUTURE', message: 'm' }).code).toBe('CLI_FAILED');
  });

  it('arrives as it was, without what only its own process should see', () => {
    const error = new PosternError('CONFIG_INVALID', 'Cannot read it', { cause: new Error('why') });
    const arrived = readError(writeError(error));
    expect(arrived).toMatchObject({ code: 'CONFIG_INVALID', message: 'Cannot read it' });
    expect(arrived.cause).toBeUndefined();
  });

  it.each([
    [Object.assign(new Error('no'), { code: 'ENOENT' }), 'no'],
    ['text', 'text'],
    [undefined, 'undefined'],
  ])('is a failure when it is none of ours', (error, message) => {
    expect(writeError(error)).toEqual({ code: 'CLI_FAILED', message });
  });
});
