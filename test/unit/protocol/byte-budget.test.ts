import { describe, expect, it } from '@jest/globals';

import { ByteBudget } from '../../../src/protocol/byte-budget.ts';

describe('ByteBudget', () => {
  it('counts in and out', () => {
    const budget = new ByteBudget(100);
    budget.take(30);
    budget.take(30);
    expect([budget.usedBytes, budget.freeBytes]).toEqual([60, 40]);
    budget.give(50);
    expect([budget.usedBytes, budget.freeBytes]).toEqual([10, 90]);
  });

  it('lets a caller who asked before go over, and says by how much', () => {
    const budget = new ByteBudget(100);
    budget.take(130);
    expect(budget.freeBytes).toBe(-30);
    expect(budget.tryTake(1)).toBe(false);
  });

  it('tryTake() takes what fits, or nothing', () => {
    const budget = new ByteBudget(100);
    expect(budget.tryTake(100)).toBe(true);
    expect(budget.tryTake(1)).toBe(false);
    expect(budget.usedBytes).toBe(100);
    expect(budget.tryTake(-40)).toBe(true);
    expect(budget.freeBytes).toBe(40);
  });
});
