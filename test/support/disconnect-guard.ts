/**
 * Fails a test whose connector loses a link that it should have kept: a bug that resumption would otherwise hide.
 *
 * It reads the connector's log, in which every lost link and every failed dial is a line. Losses that a test causes are
 * declared with `expectLosses`.
 */
import { cleanup } from './cleanup.ts';
import { parseLogLine, type LogRecord } from './json-log.ts';
import type { TestProcess } from './processes.ts';

const LOSSES = new Set([
  'link lost',
  'cannot connect to the gateway',
  'the gateway refuses the token',
  'dialling all links again',
]);

export interface DisconnectGuard {
  /** Lets links be lost while `act` runs. Wait in it until they are back. Returns how many losses were logged. */
  readonly expectLosses: (act: () => Promise<unknown>) => Promise<number>;
  /** Throws if a link was lost unexpectedly. Called by the clean-up as well. */
  readonly check: () => void;
}

/**
 * Guards the process that the connector is now, and checks at the end of the test (or file) that it lost nothing
 * unexpectedly. After a restart, guard it anew.
 */
export function guardLinks(connector: { readonly process: TestProcess }): DisconnectGuard {
  const unexpected: string[] = [];
  let expecting = 0;
  let expected = 0;
  const stop = connector.process.output.watch(({ text }) => {
    if (!isLoss(parseLogLine(text))) return;
    if (expecting > 0) expected += 1;
    else unexpected.push(text);
  });
  const check = (): void => {
    const lost = unexpected.splice(0);
    if (lost.length > 0) throw new Error(`A link was lost unexpectedly:\n${lost.join('\n')}`);
  };
  cleanup(() => {
    stop();
    check();
  });
  return {
    check,
    expectLosses: async (act) => {
      const before = expected;
      expecting += 1;
      try {
        await act();
      } finally {
        expecting -= 1;
      }
      return expected - before;
    },
  };
}

function isLoss(record: LogRecord | undefined): boolean {
  return typeof record?.['msg'] === 'string' && LOSSES.has(record['msg']);
}
