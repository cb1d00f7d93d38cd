/** How many lines there are about who is refused. */
import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { RefusalLog } from '../../../src/telemetry/refusal-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const { refusalsTold, refusalKinds, refusalMs } = LIMITS;

function start() {
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    component: 'gateway',
    format: 'json',
    destination: {
      write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
    },
  });
  const refusals = new RefusalLog({ clock, log });
  let asked = 0;
  const refuse = (listener: string, code: 'TCP_DENIED' | 'TCP_HELLO', times = 1): void => {
    for (let n = 0; n < times; n += 1) {
      const fields = (): Record<string, unknown> => {
        asked += 1;
        return { client: '192.0.2.1' };
      };
      const error = new PosternError(code, 'Cannot take the connection: no');
      refusals.add({ message: 'connection refused', listener, error, fields });
    }
  };
  return { clock, lines, refusals, refuse, asked: () => asked };
}

describe('RefusalLog', () => {
  it('tells the first one by one, and then how many more there were, and why most of them', () => {
    const { clock, lines, refuse, asked } = start();
    refuse('tcp[0]', 'TCP_DENIED', refusalsTold);
    expect(lines).toHaveLength(refusalsTold);
    expect(lines[0]).toMatchObject({
      level: 'warn',
      msg: 'connection refused',
      listener: 'tcp[0]',
      client: '192.0.2.1',
      errCode: 'TCP_DENIED',
    });
    refuse('tcp[0]', 'TCP_DENIED', 1_000);
    // What is rare is told although there is so much else.
    refuse('tcp[1]', 'TCP_HELLO', 5);
    expect(lines).toHaveLength(refusalsTold + 1);
    expect(lines.at(-1)).toMatchObject({ listener: 'tcp[1]', errCode: 'TCP_HELLO' });
    clock.run(refusalMs - 1);
    expect(lines).toHaveLength(refusalsTold + 1);
    clock.run(1);
    expect(lines).toHaveLength(refusalsTold + 2);
    expect(lines.at(-1)).toMatchObject({
      level: 'warn',
      count: 1_004,
      reason: 'TCP_DENIED at tcp[0]: 1000',
    });
    expect(asked()).toBe(refusalsTold + 1);
  });

  it('begins anew with each minute, and waits for nothing when nobody comes', () => {
    const { clock, lines, refuse } = start();
    refuse('https', 'TCP_HELLO', refusalsTold + 1);
    clock.run(refusalMs);
    expect(lines).toHaveLength(refusalsTold + 1);
    expect(clock.pending).toBe(0);
    clock.run(refusalMs);
    refuse('https', 'TCP_HELLO', 2);
    expect(lines).toHaveLength(refusalsTold + 3);
    clock.run(refusalMs);
    expect(lines).toHaveLength(refusalsTold + 3);
    expect(clock.pending).toBe(0);
  });

  it('knows so many kinds and no more, and counts the others all the same', () => {
    const { lines, refusals, refuse } = start();
    for (let port = 0; port < refusalKinds * 3; port += 1) refuse(`tcp[${port}]`, 'TCP_DENIED');
    expect(lines).toHaveLength(refusalKinds);
    refusals.close();
    expect(lines).toHaveLength(refusalKinds + 1);
    expect(lines.at(-1)).toMatchObject({ count: refusalKinds * 2 });
  });

  it('tells what is left when it is closed, once', () => {
    const { clock, lines, refusals, refuse } = start();
    refuse('https', 'TCP_DENIED', refusalsTold + 7);
    refusals.close();
    refusals.close();
    expect(lines).toHaveLength(refusalsTold + 1);
    expect(lines.at(-1)).toMatchObject({ count: 7 });
    expect(clock.pending).toBe(0);
  });
});
