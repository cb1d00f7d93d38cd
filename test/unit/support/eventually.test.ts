import { expect, it } from '@jest/globals';

import { eventually } from '../../support/eventually.ts';

it('eventually() returns at once when the condition holds', async () => {
  const start = performance.now();
  expect(await eventually(() => 42, { everyMs: 5000 })).toBe(42);
  expect(performance.now() - start).toBeLessThan(4_500);
});

it('eventually() asks again after false and after a throw', async () => {
  const answers = [false, new Error('not yet'), 'done'];
  const result = await eventually(
    () => {
      const answer = answers.shift();
      if (typeof answer === 'object') throw answer;
      return answer;
    },
    { everyMs: 1 },
  );
  expect(result).toBe('done');
});

it('eventually() says at the deadline what it waited for and what it saw last', async () => {
  const never = eventually(() => expect(1).toBe(2), {
    deadlineMs: 60,
    everyMs: 5,
    what: 'a wonder',
  });
  await expect(never).rejects.toThrow(
    /Cannot wait for a wonder: not so after 60 ms.*Expected: .*2/s,
  );
});

it('eventually() gives up on a probe that never settles', async () => {
  const stuck = eventually(() => new Promise(() => undefined), { deadlineMs: 50 });
  await expect(stuck).rejects.toThrow('the probe did not settle');
});
