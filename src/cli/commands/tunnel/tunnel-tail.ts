/** `postern tunnel tail`: the requests of a tunnel, as they end. docs/operations.md "Watching a tunnel". */
import { setTimeout as delay } from 'node:timers/promises';
import type { TailFilterText } from '../../../admin/tail-filter.ts';
import { codeOf, PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { followRunningGateway, ADMIN_OPTIONS, TUNNEL_ARGUMENT } from '../../open-admin.ts';
import { OUTPUT_OPTION, printLines, printNote, printText, whenPrinted } from '../../output.ts';
import { describeTailLine } from '../../tunnel/describe-tail-line.ts';

/** How long another process of the gateway may take to answer once one has ended, and how often it is asked, ms. */
const BACK_MS = 10_000;
const RETRY_MS = 200;

function filterOption(describe: string) {
  return { type: 'string', requiresArg: true, describe } as const;
}

export const tunnelTail = defineCommand({
  positionals: TUNNEL_ARGUMENT,
  options: {
    ...ADMIN_OPTIONS,
    status: filterOption('Only these: 404, 5xx, 400-499, several with commas'),
    method: filterOption('Only these methods, with commas'),
    path: filterOption('Only paths that begin with this'),
    hostname: filterOption('Only this hostname, or *.suffix'),
    user: filterOption('Only what this user asked, by e-mail address, or this service token'),
    sample: filterOption('Only a share of them, such as 0.1'),
    ...OUTPUT_OPTION,
  },
  async run({ tunnel, config, output, status, method, path, hostname, user, sample }) {
    const written = { status, method, path, hostname, user, sample };
    const filter: TailFilterText = Object.fromEntries(
      Object.entries(written).filter(([, value]) => value !== undefined),
    );
    let hasBegun = false;
    let isRead = true;
    const onLine = async (line: unknown): Promise<boolean> => {
      hasBegun = true;
      const lines = output === 'json' ? [] : describeTailLine(line);
      if (output === 'json') printText(JSON.stringify(line));
      else if (lines.length > 0) printLines(...lines);
      // Whoever reads our output slowly makes the gateway leave lines out, instead of us keeping them.
      isRead = await whenPrinted();
      return isRead;
    };
    for (;;) {
      // One process of the gateway after the other.
      // oxlint-disable-next-line no-await-in-loop
      await followAgain(async () => {
        await followRunningGateway(config, 'tunnel.tail', { tunnel, ...filter }, onLine);
      }, hasBegun);
      if (!isRead) return EXIT.done;
      printNote('the gateway ends this process; waiting for the next');
    }
  },
});

/** Tries for a while when the gateway answered before: another process of it is about to take over. */
async function followAgain(follow: () => Promise<void>, hasBegun: boolean): Promise<void> {
  const tries = hasBegun ? BACK_MS / RETRY_MS : 1;
  let last: unknown;
  for (let count = 0; count < tries; count += 1) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      await follow();
      return;
    } catch (error) {
      if (codeOf(error) !== 'CLI_FAILED') throw error;
      last = error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await delay(RETRY_MS);
  }
  throw last ?? new PosternError('CLI_FAILED', 'Cannot watch the tunnel');
}
