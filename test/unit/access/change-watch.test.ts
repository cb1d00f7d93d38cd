import { describe, expect, it } from '@jest/globals';

import { ChangeWatch } from '../../../src/access/change-watch.ts';
import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import type { Change } from '../../../src/store/store.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Answer {
  readonly latest: number;
  readonly changes: readonly Change[] | 'missed';
}

/** A watch over a store that gives these answers, one a look, and then nothing new. */
function watching(answers: (Answer | Error)[]): {
  watch: ChangeWatch;
  told: string[];
  readonly look: () => Promise<void>;
} {
  const clock = new FakeClock();
  const told: string[] = [];
  let looks = 0;
  const watch = new ChangeWatch({
    clock,
    log: createLog({ component: 'gateway', level: 'silent' }),
    changes: {
      latest: async () => 7,
      since: async (seq) => {
        told.push(`since ${seq}`);
        const answer = answers.shift() ?? { latest: seq, changes: [] };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
  });
  watch.add({
    onChange: ({ item }) => void told.push(item),
    onMissed: () => void told.push('missed'),
    onTick: () => (looks += 1),
  });
  const look = async (): Promise<void> => {
    const before = looks;
    await eventually(() => clock.pending === 1);
    clock.run(LIMITS.changePollMs);
    await eventually(() => looks > before);
  };
  return { watch, told, look };
}

describe('the change watch', () => {
  it('tells each change once, and begins with those after its start', async () => {
    const change: Change = { kind: 'session', item: 'a' };
    const { watch, told, look } = watching([{ latest: 8, changes: [change] }]);
    await watch.start();
    await look();
    await look();
    expect(told).toEqual(['since 7', 'a', 'since 8']);
    await watch.stop();
    await watch.stop();
  });

  it('asks again for what a failed look did not give', async () => {
    const failed = new PosternError('STORE_BUSY', 'Cannot read changes: locked');
    const { watch, told, look } = watching([failed, { latest: 9, changes: 'missed' }]);
    await watch.start();
    await look();
    await look();
    await look();
    expect(told).toEqual(['since 7', 'since 7', 'missed', 'since 9']);
    await watch.stop();
  });
});
