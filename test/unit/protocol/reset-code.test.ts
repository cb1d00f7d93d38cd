import { describe, expect, it } from '@jest/globals';

import { ERROR_CODES } from '../../../src/core/error-codes.ts';
import { isResetCode, RESET_CODE, resetCodeOf } from '../../../src/protocol/reset-code.ts';

describe('reset codes', () => {
  it('each has a number of its own that fits the wire, and reads back', () => {
    const numbers = Object.values(RESET_CODE);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const [name, number] of Object.entries(RESET_CODE)) {
      expect(number).toBeLessThan(2 ** 16);
      expect(resetCodeOf(number)).toBe(name);
      expect(isResetCode(name)).toBe(true);
    }
  });

  it('a number that we do not know reads as STREAM_RESET', () => {
    for (const number of [10, 31, 65_535]) expect(resetCodeOf(number)).toBe('STREAM_RESET');
  });

  it('no other error code travels, and nothing that an object inherits', () => {
    const others = Object.keys(ERROR_CODES).filter((code) => !Object.hasOwn(RESET_CODE, code));
    for (const code of [...others, 'toString', '__proto__', '', undefined]) {
      expect(isResetCode(code)).toBe(false);
    }
  });
});
