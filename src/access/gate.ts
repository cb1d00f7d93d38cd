/**
 * The gate: whether a principal may go somewhere now, and for as long as it stays there. design.md §6.
 *
 * The edge around the pure decision of policy/: it knows the time, the country of an address and what has become of
 * sessions and service tokens. Whatever lives longer than a request is held here, and is told to end within a second of no
 * longer being allowed: its session revoked or expired, its service token removed, the policies edited.
 */
import type { Clock } from '../core/clock.ts';
import { matchesHostname } from '../config/hostname-pattern.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { ChangeListener } from './change-watch.ts';
import type { ClientCertificate } from './identity.ts';
import { decide, type AccessRules, type Decision, type DecisionReason } from './policy/decide.ts';
import type { ServiceTokens, VerifiedServiceToken } from './service-tokens.ts';
import type { Sessions } from './sessions/sessions.ts';
import type { Session } from './sign-in/sign-in-ports.ts';

/** Who asks, as far as it has been proved. Empty for somebody unknown. */
export interface Principal {
  readonly session?: Session | undefined;
  readonly serviceToken?: VerifiedServiceToken | undefined;
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** Where somebody wants to go. */
export interface GateAsk {
  /** Normal form. */
  readonly hostname: string;
  /** As it was sent, without the query; '' for a raw TCP stream. */
  readonly path: string;
  readonly principal: Principal;
  /** The user's IP address. */
  readonly address: string;
  /** Why they want in, where they said so. */
  readonly purpose?: string | undefined;
}

/** The decision, and what it was made of. */
export interface Verdict extends Omit<Decision, 'reason'> {
  readonly reason:
    | DecisionReason
    /** Signed in, but longer ago than the application accepts. */
    | 'sign-in-too-old'
    /** Allowed, once they have said why they want in. */
    | 'purpose-missing';
  readonly principal: Principal;
  /** When it ends by itself, ms since 1970; Infinity where it does not. */
  readonly endsAt: number;
}

export interface GateOptions {
  readonly rules: AccessRules;
  readonly sessions: Pick<Sessions, 'onEnded' | 'onRefreshed' | 'peek' | 'recheck'>;
  readonly serviceTokens: Pick<ServiceTokens, 'isLive' | 'onChanged'>;
  readonly clock: Clock;
  /** The ISO 3166 country of an address, where it is known. */
  readonly country?: (address: string) => string | undefined;
}

/** Something that lives on what was decided. */
export interface Hold {
  /** It is over. Safe to call twice. */
  release(): void;
}

interface Held {
  ask: GateAsk;
  endsAt: number;
  readonly end: (error: PosternError) => void;
}

export class Gate implements ChangeListener {
  readonly #options: GateOptions;
  readonly #held = new Set<Held>();
  #rules: AccessRules;
  /** The rules with the applications of one hostname: looking through all of them costs more than deciding. */
  readonly #rulesOf = new Map<string, AccessRules>();

  constructor(options: GateOptions) {
    this.#options = options;
    this.#rules = options.rules;
    options.sessions.onEnded((session, because) => this.#sessionEnded(session, because));
    options.sessions.onRefreshed((session) => this.#sessionRefreshed(session));
    options.serviceTokens.onChanged(() => this.#serviceTokensChanged());
  }

  get rules(): AccessRules {
    return this.#rules;
  }

  /** The rules as far as they are about a hostname, in normal form. */
  rulesFor(hostname: string): AccessRules {
    const known = this.#rulesOf.get(hostname);
    if (known !== undefined) return known;
    const { groups, defaultPolicy, applications: all } = this.#rules;
    const applications = all.filter((one) => matchesHostname(one.hostname, hostname));
    const rules = { applications, groups, defaultPolicy };
    // Users choose hostnames.
    if (this.#rulesOf.size >= LIMITS.hostnamesKnown) this.#rulesOf.clear();
    this.#rulesOf.set(hostname, rules);
    return rules;
  }

  /** How many are held. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** The sessions that hold something, each once. */
  heldSessions(): Iterable<Session> {
    const sessions = [...this.#held].flatMap(({ ask }) => ask.principal.session ?? []);
    return new Map(sessions.map((session) => [session.id, session])).values();
  }

  /** Decides. Pure but for the time: logging and auditing is for the caller. */
  judge(ask: GateAsk): Verdict {
    const { clock, country } = this.#options;
    const { hostname, path, principal, address, purpose } = ask;
    const { session, serviceToken, clientCertificate } = principal;
    const now = clock.wall();
    const decision = decide(
      this.rulesFor(hostname),
      { hostname, path },
      {
        identity: session?.identity,
        serviceToken,
        clientCertificate,
        address,
        country: country?.(address),
        now,
      },
    );
    if (decision.outcome !== 'allow') return { ...decision, principal, endsAt: now };
    const endsAt = endOf(decision, principal);
    if (endsAt <= now) return refuse(decision, 'sign-in-too-old', principal, now);
    if (decision.needsPurpose && purpose === undefined) {
      return refuse(decision, 'purpose-missing', principal, now);
    }
    return { ...decision, principal, endsAt };
  }

  /**
   * Watches over something that was let in. `end` is called at most once, with ACCESS_REVOKED, never before this returns,
   * and within a second of when judge() would say no. Whoever holds must release.
   */
  hold(ask: GateAsk, verdict: Verdict, end: (error: PosternError) => void): Hold {
    const held: Held = { ask, endsAt: verdict.endsAt, end };
    this.#held.add(held);
    // It may have ended between the verdict and now.
    queueMicrotask(() => this.#judgeAgain(held));
    return { release: () => void this.#held.delete(held) };
  }

  /** Decides by these from now on, for what is held too. They have been checked. */
  setRules(rules: AccessRules): void {
    this.#rules = rules;
    this.#rulesOf.clear();
    for (const held of this.#held) this.#judgeAgain(held);
  }

  onChange(): void {
    // Sessions and service tokens tell by themselves.
  }

  async onMissed(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop
    for (const { id } of this.heldSessions()) await this.#options.sessions.recheck(id);
  }

  onTick(): void {
    const now = this.#options.clock.wall();
    for (const held of this.#held) if (held.endsAt <= now) this.#end(held, 'expired');
  }

  #sessionEnded(session: Session, because: string): void {
    for (const held of this.#held) {
      if (held.ask.principal.session?.id === session.id) this.#end(held, because);
    }
  }

  #sessionRefreshed(session: Session): void {
    for (const held of this.#held) {
      if (held.ask.principal.session?.id === session.id) this.#judgeAgain(held);
    }
  }

  #serviceTokensChanged(): void {
    for (const held of this.#held) {
      if (held.ask.principal.serviceToken !== undefined) this.#judgeAgain(held);
    }
  }

  #judgeAgain(held: Held): void {
    if (!this.#held.has(held)) return;
    const { session, serviceToken } = held.ask.principal;
    if (serviceToken !== undefined && !this.#options.serviceTokens.isLive(serviceToken)) {
      this.#end(held, 'the service token was removed');
      return;
    }
    if (session !== undefined) this.#useNewest(held, session);
    const verdict = this.judge(held.ask);
    if (verdict.outcome === 'allow') held.endsAt = verdict.endsAt;
    else this.#end(held, verdict.reason);
  }

  /** The session as it is now. One that is not in memory may be over: that is asked, and told to #sessionEnded(). */
  #useNewest(held: Held, session: Session): void {
    const newest = this.#options.sessions.peek(session.id);
    if (newest === undefined) {
      // A store that cannot be read is asked again at the next change.
      this.#options.sessions.recheck(session.id).catch(() => undefined);
      return;
    }
    held.ask = { ...held.ask, principal: { ...held.ask.principal, session: newest } };
  }

  #end(held: Held, because: string): void {
    if (!this.#held.delete(held)) return;
    // The message may reach the user: why is in the cause, for the log.
    const message = `Cannot go on: access to "${held.ask.hostname}" has ended`;
    held.end(new PosternError('ACCESS_REVOKED', message, { cause: new Error(because) }));
  }
}

function refuse(
  decision: Decision,
  reason: Verdict['reason'],
  principal: Principal,
  now: number,
): Verdict {
  return { ...decision, outcome: 'sign-in', by: 'none', reason, principal, endsAt: now };
}

/** When what was allowed is over: the application may want people to sign in more often than the session lasts. */
function endOf({ by, policy, application }: Decision, principal: Principal): number {
  const { session, serviceToken } = principal;
  if (by === 'service') return serviceToken?.expiresAt ?? Infinity;
  if (by !== 'user' || session === undefined) return Infinity;
  const durationMs = policy?.sessionDurationMs ?? application?.sessionDurationMs ?? Infinity;
  return Math.min(session.expiresAt, session.authenticatedAt + durationMs);
}
