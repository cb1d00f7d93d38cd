import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { DeadRuns } from '../../../../src/gateway/links/dead-runs.ts';

it('knows a dead run in its own tunnel, and in no other', () => {
  const runs = new DeadRuns();
  runs.add('a', 'run');
  expect(runs.has('a', 'run')).toBe(true);
  expect(runs.has('b', 'run')).toBe(false);
  expect(runs.has('a', 'other')).toBe(false);
});

it('forgets one that registers after all', () => {
  const runs = new DeadRuns();
  runs.add('a', 'run');
  runs.remove('b', 'run');
  expect(runs.has('a', 'run')).toBe(true);
  runs.remove('a', 'run');
  expect(runs.has('a', 'run')).toBe(false);
});

it('remembers the latest of each tunnel, however many one names', () => {
  const runs = new DeadRuns();
  runs.add('quiet', 'run');
  for (let run = 0; run <= LIMITS.deadRuns; run += 1) runs.add('noisy', `run ${run}`);
  expect(runs.has('noisy', 'run 0')).toBe(false);
  expect(runs.has('noisy', 'run 1')).toBe(true);
  expect(runs.has('noisy', `run ${LIMITS.deadRuns}`)).toBe(true);
  expect(runs.has('quiet', 'run')).toBe(true);
});

it('remembers so many tunnels, those that named one last', () => {
  const runs = new DeadRuns({ tunnels: 2, runs: 1 });
  runs.add('a', 'run');
  runs.add('b', 'run');
  runs.add('a', 'another run');
  runs.add('c', 'run');
  expect(runs.has('a', 'another run')).toBe(true);
  expect(runs.has('b', 'run')).toBe(false);
  expect(runs.has('c', 'run')).toBe(true);
});
