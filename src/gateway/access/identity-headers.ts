/**
 * What an origin is told about who asks: a signed statement, and the same in plain fields for programs that cannot check it.
 *
 * Nothing about anybody who came in by `bypass`. What users send under these names never gets here (header-rules.ts).
 * Statements are signed once for some minutes of requests of a person at an application, not for each.
 */
import type { Verdict } from '../../access/gate.ts';
import type { AppTokens } from '../../access/tokens/app-tokens.ts';
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';

interface Entry {
  /** What it was made of: a refreshed session is another object. */
  readonly of: unknown;
  readonly until: number;
  readonly headers: readonly string[];
}

const NONE: readonly string[] = [];

export class IdentityHeaders {
  readonly #tokens: Pick<AppTokens, 'assertion'>;
  readonly #clock: Clock;
  /** The one used last at the end. */
  readonly #entries = new Map<string, Entry>();

  constructor(tokens: Pick<AppTokens, 'assertion'>, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Names and values in turn, for a verdict that allows. At once where they were made lately. */
  of(verdict: Verdict): readonly string[] | Promise<readonly string[]> {
    const { by, application, principal } = verdict;
    if (application === undefined || (by !== 'user' && by !== 'service')) return NONE;
    const of = by === 'user' ? principal.session : principal.serviceToken;
    // A machine with nothing but a certificate is known to its origin by that.
    if (of === undefined) return NONE;
    const key = `${of.id} ${application.name}`;
    const known = this.#entries.get(key);
    const isGood = known !== undefined && known.until > this.#clock.wall();
    if (isGood && (by === 'service' || known.of === of)) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.headers;
    }
    return this.#make(key, of, verdict, application.name);
  }

  async #make(
    key: string,
    of: unknown,
    { by, principal }: Verdict,
    application: string,
  ): Promise<readonly string[]> {
    const { session, serviceToken } = principal;
    const subject = by === 'user' ? { session } : { serviceToken };
    // Half of its life is left for the origin to look at it.
    const until = this.#clock.wall() + LIMITS.assertionMs / 2;
    const headers = [
      'Postern-Access-Jwt-Assertion',
      await this.#tokens.assertion(subject, application),
    ];
    if (by === 'service') headers.push('Postern-Access-Service-Token', serviceToken?.name ?? '');
    else if (session !== undefined) {
      const { subject: user, email, groups } = session.identity;
      if (email !== undefined) headers.push('Postern-Access-Email', fieldText(email));
      headers.push('Postern-Access-User', fieldText(user));
      const list = groups.map(fieldText).join(',');
      if (list.length <= LIMITS.groupsHeaderBytes) headers.push('Postern-Access-Groups', list);
    }
    this.#entries.delete(key);
    this.#entries.set(key, { of, until, headers });
    if (this.#entries.size > LIMITS.assertionsCached) {
      const [oldest = ''] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    return headers;
  }
}

/** Text that a header field can hold and a list can be split by: whatever is not plain is percent-encoded. */
function fieldText(text: string): string {
  // A lone half of a character would make encodeURIComponent throw.
  const whole = Buffer.from(text).toString();
  return whole.replaceAll(/[^\u0021-\u007e ]|[%,]/gu, encodeURIComponent);
}
