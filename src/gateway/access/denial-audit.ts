/**
 * Denials in the audit log: the first of an address at an application, then how many more there were in that minute.
 *
 * The audit log keeps a bounded number of events, and anybody can be denied as often as they like. The access log has
 * every one of them.
 */
import { displayName } from '../../access/pages/display-name.ts';
import type { WriteAudit } from '../../access/sign-in/sign-in-ports.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { AuditFact } from '../../telemetry/audit-event.ts';
import type { Denial } from './http-access.ts';

const MINUTE_MS = 60_000;
/** Stands for everybody beyond the limit. */
const OTHERS = 'others';

export class DenialAudit {
  readonly #write: WriteAudit;
  readonly #clock: Clock;
  /** Further denials of this minute, with the first, by address and application. */
  readonly #more = new Map<string, { readonly fact: AuditFact; count: number }>();
  #timer: Timer | undefined;

  constructor(write: WriteAudit, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Counts a denial, and writes it when it is the first. */
  add(denial: Denial): void {
    const place = denial.verdict.application?.name ?? denial.hostname;
    const key = `${denial.address} ${place}`;
    const known = this.#more.get(key) ?? this.#more.get(OTHERS);
    if (this.#more.has(key) || (known !== undefined && this.#more.size > LIMITS.denialsKept)) {
      if (known !== undefined) known.count += 1;
      return;
    }
    const isFull = this.#more.size >= LIMITS.denialsKept;
    const fact = factOf(denial);
    this.#more.set(isFull ? OTHERS : key, { fact, count: 0 });
    this.#timer ??= this.#clock.after(MINUTE_MS, () => this.#minuteOver());
    void this.#write(fact);
  }

  /** Writes the numbers of this minute now. For closing. */
  flush(): void {
    this.#timer?.cancel();
    this.#minuteOver();
  }

  #minuteOver(): void {
    this.#timer = undefined;
    const more = [...this.#more.values()];
    this.#more.clear();
    for (const { fact, count } of more) {
      if (count === 0) continue;
      void this.#write({ ...fact, detail: { ...fact.detail, more: count } });
    }
  }
}

function factOf({ verdict, hostname, address, requestId }: Denial): AuditFact {
  const { principal, application, policy, reason } = verdict;
  const { session, serviceToken } = principal;
  const actor = session === undefined ? serviceToken?.name : displayName(session.identity);
  return {
    type: 'access.deny',
    hostname,
    ...(actor === undefined ? {} : { actor }),
    detail: {
      reason,
      ...(application && { application: application.name }),
      ...(policy && { policy: policy.name }),
      ...(session && { session: session.id }),
      address,
      requestId,
    },
  };
}
