import { describe, expect, it } from '@jest/globals';
import { changedKeys } from '../../../src/config/changed-keys.ts';

interface Sample {
  readonly colour: string;
  readonly size: number;
  readonly tags: readonly string[];
  readonly file: string;
}

const RULES = {
  colour: { name: 'colour', isLive: true },
  size: { name: 'the-size', isLive: false },
  tags: {
    name: 'tags',
    isLive: (old: Sample, next: Sample) => old.tags.length === next.tags.length,
  },
} as const;

const before: Sample = { colour: 'red', size: 1, tags: ['a'], file: 'x' };

describe('changedKeys()', () => {
  it('finds nothing where nothing says something else', () => {
    const next = { ...before, tags: ['a'], file: 'y' };
    expect(changedKeys(before, next, RULES)).toEqual({ running: before, live: [], waiting: [] });
  });

  it('takes over what is live, and names the rest as the file does', () => {
    const next = { colour: 'blue', size: 2, tags: ['b'], file: 'x' };
    expect(changedKeys(before, next, RULES)).toEqual({
      running: { ...before, colour: 'blue', tags: ['b'] },
      live: ['colour', 'tags'],
      waiting: ['the-size'],
    });
  });

  it('asks the key whether this change can be live', () => {
    const next = { ...before, tags: ['a', 'b'] };
    expect(changedKeys(before, next, RULES)).toEqual({
      running: before,
      live: [],
      waiting: ['tags'],
    });
  });
});
