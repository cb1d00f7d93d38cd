/**
 * Sessions of signed-in people: made, found, refreshed and ended. docs/access.md "Sessions and tokens".
 *
 * The store has all of them and every process keeps those it has seen lately, so that a request costs no query. What ends
 * a session, here or in another process, is told to listeners within a second: they end what it had opened.
 */
import { LIMITS } from '../../core/limits.ts';
import { newId, newSecret } from '../../core/id.ts';
import { PosternError } from '../../core/error.ts';
import { secretHash } from '../../core/secret-hash.ts';
import type { Clock } from '../../core/clock.ts';
import type { Change, SessionRecord, SessionStore } from '../../store/store.ts';
import type { ChangeListener } from '../change-watch.ts';
import type { Identity } from '../identity.ts';
import type { NewSession, ProviderState, Session, WriteAudit } from '../sign-in/sign-in-ports.ts';
import { describeSession } from './describe-session.ts';

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly audit: WriteAudit;
  /** How long new ones last, ms. */
  readonly durations: { readonly browser: number; readonly client: number };
  /** How many are kept in memory. Default LIMITS.sessionsCached. */
  readonly cached?: number;
}

/** Told when a session is over: revoked, expired. More than once at times. */
export type OnSessionEnded = (session: Session, because: string) => void;

/** What a secret begins with, so that one that leaked is known for what it is. */
const PREFIX = { browser: 'pse_', client: 'pcl_' } as const;
const SECRET = /^p(?:se|cl)_[A-Za-z0-9_-]{43}$/;

export class Sessions implements ChangeListener {
  readonly #options: SessionsOptions;
  /** By id, the one seen last at the end. */
  readonly #known = new Map<string, Session>();
  /** Ids by the hash of the secret, of those in `#known`. */
  readonly #idOf = new Map<string, string>();
  readonly #hashOf = new Map<string, string>();
  readonly #onEnded: OnSessionEnded[] = [];
  readonly #onRefreshed: ((session: Session) => void)[] = [];
  #durations: SessionsOptions['durations'];
  /** When the first of `#known` expires, or before. */
  #nextEnd = Infinity;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#durations = options.durations;
  }

  /** For sessions made from now on, ms. */
  setDurations(durations: SessionsOptions['durations']): void {
    this.#durations = durations;
  }

  onEnded(listener: OnSessionEnded): void {
    this.#onEnded.push(listener);
  }

  /** Told when a provider was asked again, and may have said something new. */
  onRefreshed(listener: (session: Session) => void): void {
    this.#onRefreshed.push(listener);
  }

  /** Makes a session with an id and a secret of its own (case C1). STORE_LIMIT. */
  async create(
    input: NewSession & { readonly expiresAt?: number },
  ): Promise<{ session: Session; secret: string }> {
    const { kind, identity, provider = {}, address, agent } = input;
    const now = this.#options.clock.wall();
    const authenticatedAt = input.authenticatedAt ?? now;
    const secret = PREFIX[kind] + newSecret();
    const session: Session = {
      id: newId(),
      kind,
      identity,
      createdAt: now,
      authenticatedAt,
      refreshedAt: now,
      expiresAt: Math.min(input.expiresAt ?? Infinity, authenticatedAt + this.#durations[kind]),
      address,
      agent,
      provider,
    };
    const hash = secretHash(secret);
    await this.#options.store.add({ ...session, identity: { ...identity }, secretHash: hash });
    this.#remember(session, hash);
    await this.#options.audit({ type: 'session.create', ...describeSession(session) });
    return { session, secret };
  }

  /** The live session of a secret. At once when it is in memory. */
  verify(secret: string): Session | undefined | Promise<Session | undefined> {
    if (!SECRET.test(secret)) return undefined;
    // A hash is looked up, so the time says nothing about how much of a secret was right.
    const hash = secretHash(secret);
    const id = this.#idOf.get(hash);
    const known = id === undefined ? undefined : this.peek(id);
    return known ?? this.#loadBySecret(hash);
  }

  /** The live session of this id where it is in memory. */
  peek(id: string): Session | undefined {
    const session = this.#known.get(id);
    if (session === undefined || session.expiresAt <= this.#options.clock.wall()) return undefined;
    this.#known.delete(id);
    this.#known.set(id, session);
    return session;
  }

  /** The live session of this id. */
  async find(id: string): Promise<Session | undefined> {
    return this.peek(id) ?? this.#take(await this.#options.store.find(id));
  }

  /** Every live session, the oldest first. */
  async list(): Promise<Session[]> {
    return (await this.#options.store.list()).map(toSession);
  }

  /** Replaces what the provider said. STORE_NOT_FOUND when the session is over. */
  async refresh(id: string, identity: Identity, provider: ProviderState): Promise<Session> {
    const change = { identity: { ...identity }, provider };
    const session = this.#take(await this.#options.store.refresh(id, change));
    if (session === undefined) {
      throw new PosternError('STORE_NOT_FOUND', 'Cannot refresh a session: it is over');
    }
    for (const tell of this.#onRefreshed) tell(session);
    return session;
  }

  /** Ends a session now; false when it was over. `because` is for the audit log. */
  async revoke(id: string, because: string): Promise<boolean> {
    const session = this.#known.get(id) ?? (await this.find(id));
    const wasLive = await this.#options.store.revoke(id, because);
    if (session === undefined || !wasLive) return false;
    this.#ended(session, because);
    const { actor, detail } = describeSession(session);
    await this.#options.audit({ type: 'session.revoke', actor, detail: { ...detail, because } });
    return true;
  }

  /** Ends all that `picks` chooses; returns how many. */
  async revokeWhere(picks: (session: Session) => boolean, because: string): Promise<number> {
    let count = 0;
    for (const { id } of (await this.list()).filter(picks)) {
      // Each is a transaction of its own: one that has ended meanwhile must not keep the others.
      // oxlint-disable-next-line no-await-in-loop
      if (await this.revoke(id, because)) count += 1;
    }
    return count;
  }

  /** Compares one with the store, and tells listeners what became of it. */
  async recheck(id: string): Promise<void> {
    const record = await this.#options.store.find(id);
    if (record === undefined) {
      const known = this.#known.get(id);
      if (known !== undefined) this.#ended(known, 'gone');
      return;
    }
    if (!isLive(record, this.#options.clock.wall())) {
      this.#ended(toSession(record), record.revokedBecause ?? 'expired');
      return;
    }
    const isNews = this.#known.get(id)?.refreshedAt !== record.refreshedAt;
    const session = this.#remember(toSession(record), record.secretHash);
    if (isNews) for (const tell of this.#onRefreshed) tell(session);
  }

  async onChange({ kind, item }: Change): Promise<void> {
    if (kind === 'session') await this.recheck(item);
  }

  async onMissed(): Promise<void> {
    const ids = Array.from(this.#known.keys());
    // oxlint-disable-next-line no-await-in-loop
    for (const id of ids) await this.recheck(id);
  }

  onTick(): void {
    const now = this.#options.clock.wall();
    if (now < this.#nextEnd) return;
    this.#nextEnd = Infinity;
    for (const session of this.#known.values()) {
      if (session.expiresAt <= now) this.#ended(session, 'expired');
      else this.#nextEnd = Math.min(this.#nextEnd, session.expiresAt);
    }
  }

  async #loadBySecret(hash: string): Promise<Session | undefined> {
    return this.#take(await this.#options.store.findBySecretHash(hash));
  }

  #take(record: SessionRecord | undefined): Session | undefined {
    if (record === undefined || !isLive(record, this.#options.clock.wall())) return undefined;
    return this.#remember(toSession(record), record.secretHash);
  }

  #remember(session: Session, hash: string): Session {
    const { id } = session;
    this.#known.delete(id);
    this.#known.set(id, session);
    this.#idOf.set(hash, id);
    this.#hashOf.set(id, hash);
    this.#nextEnd = Math.min(this.#nextEnd, session.expiresAt);
    if (this.#known.size > (this.#options.cached ?? LIMITS.sessionsCached)) {
      const [oldest = ''] = this.#known.keys();
      this.#forget(oldest);
    }
    return session;
  }

  #forget(id: string): void {
    this.#known.delete(id);
    this.#idOf.delete(this.#hashOf.get(id) ?? '');
    this.#hashOf.delete(id);
  }

  #ended(session: Session, because: string): void {
    this.#forget(session.id);
    for (const tell of this.#onEnded) tell(session, because);
  }
}

function isLive({ expiresAt, revokedAt }: SessionRecord, now: number): boolean {
  return revokedAt === undefined && expiresAt > now;
}

function toSession(record: SessionRecord): Session {
  const { secretHash: _, revokedAt: _at, revokedBecause: _why, identity, ...rest } = record;
  // Written by create() and refresh() of this class.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { ...rest, identity: identity as unknown as Identity };
}
