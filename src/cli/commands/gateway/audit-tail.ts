/** `postern gateway audit tail`: the newest audit events, and those that come with `-f`. */
import { setTimeout as delay } from 'node:timers/promises';
import { auditLine, eventsAfter, newestEvents } from '../../gateway/audit-lines.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { printText } from '../../output.ts';

/** How often the log is looked at, ms. */
const LOOK_MS = 500;

export const auditTail = defineCommand({
  positionals: {},
  options: {
    ...ADMIN_OPTIONS,
    lines: { alias: 'n', type: 'number', default: 20, describe: 'How many events to begin with' },
    follow: { alias: 'f', type: 'boolean', default: false, describe: 'Go on with those that come' },
  },
  async run({ lines, follow, config }) {
    let events = await withAdmin(config, async (admin) => newestEvents(admin, Math.max(0, lines)));
    let last: string | undefined;
    for (;;) {
      for (const event of events) printText(auditLine(event));
      last = events.at(-1)?.id ?? last;
      if (!follow) return EXIT.done;
      // oxlint-disable-next-line no-await-in-loop
      await delay(LOOK_MS);
      // The gateway may have been started or stopped meanwhile, so the way to the log is found anew.
      // oxlint-disable-next-line no-await-in-loop
      events = await withAdmin(config, async (admin) => eventsAfter(admin, last));
    }
  },
});
