/** The audit log, as the admin API has it: pages, the newest event first. */
import { PosternError } from '../core/error.ts';
import type { Store } from '../store/store.ts';
import type { AdminCalls, AuditSummary } from './admin-api.ts';

/** Events of one page where nobody says how many. */
const PAGE = '100';

export async function listAudit(
  store: Store,
  { limit = PAGE, before }: AdminCalls['audit.list']['params'],
): Promise<AuditSummary[]> {
  if (!/^\d{1,6}$/.test(limit)) {
    throw new PosternError('ADMIN_BAD_REQUEST', `Cannot list audit events: bad limit "${limit}"`);
  }
  const events = await store.audit.list({
    limit: Number(limit),
    ...(before !== undefined && { before }),
  });
  return events.map(({ at, ...rest }) => ({ at: new Date(at).toISOString(), ...rest }));
}
