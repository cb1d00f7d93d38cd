/** What the audit log says of a session: who, where, and nothing that could be used. */
import type { AuditDetail } from '../../telemetry/audit-event.ts';
import { displayName } from '../pages/display-name.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';

/** The actor and details of an event about a session. */
export function describeSession(session: Session): { actor: string; detail: AuditDetail } {
  const { id, kind, identity, address } = session;
  const { provider, subject } = identity;
  return {
    actor: displayName(identity),
    detail: { session: id, kind, provider, subject, address },
  };
}
