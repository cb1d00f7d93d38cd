/** App tokens in the audit log: one event for a session at an application, not one for each token that replaces another. */
import { displayName } from '../../access/pages/display-name.ts';
import type { Session } from '../../access/sign-in/sign-in-ports.ts';
import type { AuditFact } from '../../telemetry/audit-event.ts';
import { LIMITS } from '../../core/limits.ts';

/** Where a token was asked for. */
export interface IssuePlace {
  readonly hostname?: string | undefined;
  readonly address: string;
  readonly requestId?: string | undefined;
}

/** Names. */
export interface IssuedFor {
  readonly application: string;
  readonly policy?: string | undefined;
}

export class IssueAudit {
  readonly #note: (fact: AuditFact) => void;
  /** Session and application; the oldest first. */
  readonly #known = new Set<string>();

  constructor(note: (fact: AuditFact) => void) {
    this.#note = note;
  }

  /** A token was made. A reason that was given is always kept. */
  issued(place: IssuePlace, what: IssuedFor, session: Session, purpose?: string): void {
    const { application, policy } = what;
    const key = `${session.id} ${application}`;
    if (this.#known.has(key) && purpose === undefined) return;
    this.#known.add(key);
    const [oldest = ''] = this.#known;
    if (this.#known.size > LIMITS.assertionsCached) this.#known.delete(oldest);
    const { hostname, address, requestId } = place;
    this.#note({
      type: 'token.issue',
      ...(hostname === undefined ? {} : { hostname }),
      actor: displayName(session.identity),
      detail: {
        application,
        ...(policy === undefined ? {} : { policy }),
        session: session.id,
        ...(purpose === undefined ? {} : { purpose }),
        address,
        ...(requestId === undefined ? {} : { requestId }),
      },
    });
  }
}
