/**
 * Asks providers again who people are while their sessions are used, so that a group that was taken away is gone from here too
 * (case O23).
 *
 * One request for a session at a time, however many requests use it: providers that rotate refresh tokens take a second use of one
 * for theft (case C17). A provider that cannot be asked ends nothing; it is tried again a little later.
 */
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { displayName } from '../pages/display-name.ts';
import type { ProviderFlow } from './provider-flow.ts';
import type { Session, SessionKeeper, WriteAudit } from './sign-in-ports.ts';

/** Why a session ended of which the provider knows nothing any more. */
export const PROVIDER_ENDED = 'the identity provider ended it';

/** How long a session is left alone after a failure, ms. */
const RETRY_MS = 30_000;

export interface ClaimRefreshOptions {
  readonly sessions: Pick<SessionKeeper, 'refresh' | 'revoke'>;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
  flow(id: string): ProviderFlow | undefined;
}

export class ClaimRefresh {
  readonly #options: ClaimRefreshOptions;
  /** Under way, by session. */
  readonly #running = new Map<string, Promise<void>>();
  /** Sessions whose refresh failed, and until when they are left alone; the oldest first. */
  readonly #resting = new Map<string, number>();

  constructor(options: ClaimRefreshOptions) {
    this.#options = options;
  }

  /** Says that a session is used now; cheap when nothing is due. Resolves once what was due is done, and never rejects. */
  async used(session: Session): Promise<void> {
    const flow = this.#options.flow(session.identity.provider);
    if (flow?.refreshIntervalMs === undefined || flow.refresh === undefined) return;
    const age = this.#options.clock.wall() - session.refreshedAt;
    if (age < flow.refreshIntervalMs) return;
    const running = this.#running.get(session.id);
    if (running !== undefined) return running;
    if ((this.#resting.get(session.id) ?? 0) > this.#options.clock.now()) return;
    if (this.#running.size >= LIMITS.claimRefreshes) return;
    const refresh = this.#refresh(session, flow).finally(() => this.#running.delete(session.id));
    this.#running.set(session.id, refresh);
    return refresh;
  }

  async #refresh(session: Session, flow: ProviderFlow): Promise<void> {
    const { sessions, log, clock } = this.#options;
    const { id } = session;
    try {
      const fresh = await flow.refresh?.(session);
      if (fresh === 'ended') await this.#end(session);
      else if (fresh !== undefined) await sessions.refresh(id, fresh.identity, fresh.provider);
    } catch (err) {
      this.#rest(id, clock.now() + RETRY_MS);
      log.warn({ [FIELD.reason]: flow.id, err }, 'claims could not be refreshed');
    }
  }

  #rest(id: string, until: number): void {
    this.#resting.delete(id);
    this.#resting.set(id, until);
    const [oldest] = this.#resting.keys();
    if (this.#resting.size > LIMITS.claimRefreshesFailed && oldest !== undefined) {
      this.#resting.delete(oldest);
    }
  }

  async #end(session: Session): Promise<void> {
    const { sessions, audit } = this.#options;
    await sessions.revoke(session.id, PROVIDER_ENDED);
    await audit({
      type: 'session.refresh-failed',
      actor: displayName(session.identity),
      detail: { provider: session.identity.provider, session: session.id },
    });
  }
}
