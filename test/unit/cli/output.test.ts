import { describe, expect, it } from '@jest/globals';

import { printable, table } from '../../../src/cli/output.ts';

describe('table()', () => {
  it('makes each column as wide as its widest cell, and leaves no spaces at the end', () => {
    expect(
      table(
        ['NAME', 'ID'],
        [
          ['a-long-name', '1'],
          ['b', '22222'],
        ],
      ),
    ).toEqual(['NAME         ID', 'a-long-name  1', 'b            22222']);
  });

  it('shows its headings where there are no rows', () => {
    expect(table(['NAME', 'ID'], [])).toEqual(['NAME  ID']);
  });
});

describe('printable()', () => {
  it('writes out what moves a cursor, rings or turns text around, and keeps lines', () => {
    expect(printable('a\u001b[2Jb\u0007c\rd\u202ee\n\u009bf')).toBe(
      'a\\u001b[2Jb\\u0007c\\u000dd\\u202ee\n\\u009bf',
    );
    expect(printable('Grüße, 世界')).toBe('Grüße, 世界');
  });
});
