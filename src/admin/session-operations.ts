/** Sessions, as the admin API has them: listed and ended, whoever they belong to. Every process learns of it within a second. */
import { describeSession } from '../access/sessions/describe-session.ts';
import type { Identity } from '../access/identity.ts';
import { PosternError } from '../core/error.ts';
import type { SessionRecord, Store } from '../store/store.ts';
import type { AuditFact } from '../telemetry/audit-event.ts';
import type { AdminCalls, RevokedSessions, SessionSummary } from './admin-api.ts';

/** Those that are alive, the oldest first. */
export async function listSessions(store: Store): Promise<SessionSummary[]> {
  const sessions = await store.sessions.list();
  return sessions.map((session) => {
    const { id, kind, createdAt, expiresAt, address, agent } = session;
    const { provider, subject, email } = identityOf(session);
    return {
      id,
      kind,
      ...(email !== undefined && { email }),
      provider,
      subject,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: new Date(expiresAt).toISOString(),
      address,
      agent,
    };
  });
}

/** Ends one session, those of a person, or all. ADMIN_BAD_REQUEST; STORE_NOT_FOUND when there was none to end. */
export async function revokeSessions(
  store: Store,
  params: AdminCalls['session.revoke']['params'],
  audit: (fact: AuditFact) => Promise<void>,
): Promise<RevokedSessions> {
  const picks = pickerOf(params);
  let revoked = 0;
  for (const session of (await store.sessions.list()).filter(picks)) {
    // One after the other: each is over, and known to be, before anything else can fail.
    // oxlint-disable-next-line no-await-in-loop
    if (!(await store.sessions.revoke(session.id, 'revoked by an administrator'))) continue;
    revoked += 1;
    const { actor, detail } = describeSession({ ...session, identity: identityOf(session) });
    // oxlint-disable-next-line no-await-in-loop
    await audit({ type: 'session.revoke', detail: { ...detail, user: actor } });
  }
  if (revoked > 0 || params.all === 'yes') return { revoked };
  throw new PosternError('STORE_NOT_FOUND', 'Cannot end a session: none is alive that this names');
}

function pickerOf({
  id,
  email,
  all,
}: AdminCalls['session.revoke']['params']): (session: SessionRecord) => boolean {
  const given = [id, email, all === 'yes' ? all : undefined].filter((text) => text !== undefined);
  if (given.length !== 1) {
    const message = 'Cannot end sessions: say which, by one of id, email and all';
    throw new PosternError('ADMIN_BAD_REQUEST', message);
  }
  if (id !== undefined) return (session) => session.id === id;
  if (email === undefined) return () => true;
  const wanted = email.toLowerCase();
  return (session) => identityOf(session).email === wanted;
}

function identityOf({ identity }: SessionRecord): Identity {
  // The store keeps what access gave it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return identity as unknown as Identity;
}
