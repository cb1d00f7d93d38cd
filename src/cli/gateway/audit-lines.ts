/** Audit events as commands print them: a JSON object a line, the oldest first. */
import type { AdminPort, AuditSummary } from '../../admin/admin-api.ts';

/** Events asked for at once. */
const PAGE = 200;

/** The newest `count` events, the oldest of them first. */
export async function newestEvents(admin: AdminPort, count: number): Promise<AuditSummary[]> {
  return (await collect(admin, (events) => events.length >= count)).slice(0, count).toReversed();
}

/** Every event from `since` (ISO 8601) on, the oldest first. */
export async function eventsSince(admin: AdminPort, since: string): Promise<AuditSummary[]> {
  const events = await collect(admin, (so) => (so.at(-1)?.at ?? since) < since);
  return events.filter(({ at }) => at >= since).toReversed();
}

/** What came after the event with this id, the oldest first; everything that is kept when it is gone. */
export async function eventsAfter(
  admin: AdminPort,
  id: string | undefined,
): Promise<AuditSummary[]> {
  const events = await collect(admin, (so) => so.some((event) => event.id === id));
  const at = events.findIndex((event) => event.id === id);
  return (at === -1 ? events : events.slice(0, at)).toReversed();
}

/** The line of an event. */
export function auditLine(event: AuditSummary): string {
  return JSON.stringify(event);
}

/** Reads back from the newest event until there is enough, or no more. */
async function collect(
  admin: AdminPort,
  isEnough: (events: readonly AuditSummary[]) => boolean,
): Promise<AuditSummary[]> {
  const events: AuditSummary[] = [];
  for (;;) {
    const before = events.at(-1)?.id;
    // oxlint-disable-next-line no-await-in-loop
    const page = await admin.call('audit.list', {
      limit: String(PAGE),
      ...(before !== undefined && { before }),
    });
    events.push(...page);
    if (page.length < PAGE || isEnough(events)) return events;
  }
}
