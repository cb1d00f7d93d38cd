/** `postern gateway audit export`: the audit log as JSON lines, the oldest event first. */
import { parseDuration } from '../../../core/duration.ts';
import { PosternError } from '../../../core/error.ts';
import { auditLine, eventsSince } from '../../gateway/audit-lines.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { printText } from '../../output.ts';

export const auditExport = defineCommand({
  positionals: {},
  options: {
    ...ADMIN_OPTIONS,
    since: {
      type: 'string',
      requiresArg: true,
      describe: 'A time in ISO 8601, or how long ago, such as 24h',
    },
  },
  async run({ since, config }) {
    const from = startOf(since);
    const events = await withAdmin(config, async (admin) => eventsSince(admin, from));
    for (const event of events) printText(auditLine(event));
    return EXIT.done;
  },
});

function startOf(since: string | undefined): string {
  if (since === undefined) return new Date(0).toISOString();
  const ago = parseDuration(since);
  const time = ago === undefined ? Date.parse(since) : Date.now() - ago;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  const message = `Cannot read --since: "${since}" is neither a time such as 2026-01-31T12:00Z nor a duration such as 24h`;
  throw new PosternError('CLI_USAGE', message);
}
