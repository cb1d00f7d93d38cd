/** What administrators do with the SSH authority: see its keys, and begin to replace them. docs/access.md "SSH". */
import { SshAuthority, type AuthorityKey } from '../access/ssh/ssh-authority.ts';
import { systemClock } from '../core/clock.ts';
import { parseDuration } from '../core/duration.ts';
import { PosternError } from '../core/error.ts';
import type { Store } from '../store/store.ts';
import type { SshAuthoritySummary } from './admin-api.ts';

/** A rotation that nobody remembers having begun helps nobody. */
const MOST_LEAD_MS = 90 * 86_400_000;

/** The keys that sshd must trust, the one that signs first. */
export async function listSshAuthorities({ keys }: Store): Promise<SshAuthoritySummary[]> {
  return (await new SshAuthority(keys, systemClock).publicKeys()).map(summary);
}

/** Adds a key that signs after a duration such as `24h`. ADMIN_BAD_REQUEST, STORE_EXISTS. */
export async function rotateSshAuthority(
  { keys }: Store,
  after: string,
): Promise<SshAuthoritySummary[]> {
  const leadMs = parseDuration(after);
  if (leadMs === undefined || leadMs > MOST_LEAD_MS) {
    const message = `Cannot rotate the SSH authority: "${after}" is not a duration from 0s to 90d`;
    throw new PosternError('ADMIN_BAD_REQUEST', message);
  }
  return (await new SshAuthority(keys, systemClock).rotate(leadMs)).map(summary);
}

function summary({ activeFrom, ...key }: AuthorityKey): SshAuthoritySummary {
  return { ...key, activeFrom: new Date(activeFrom).toISOString() };
}
