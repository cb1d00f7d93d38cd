/** What people are told when a local user was added or changed. */
import type { ChangedUser } from '../../admin/admin-api.ts';

/** Lines for a terminal. `what` says what was done. */
export function changedUserLines(what: string, { totpUri }: ChangedUser): string[] {
  if (totpUri === undefined) return [what];
  return [what, '', 'For their authenticator app, shown only now:', `  ${totpUri}`];
}
