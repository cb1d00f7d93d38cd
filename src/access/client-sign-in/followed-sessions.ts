/**
 * Keeps client sessions in step with the browser sessions that they were born of (case O23).
 *
 * A provider is asked about the browser's session only, since a refresh token serves one. While a client session is used, its
 * browser session counts as used, what the provider says of that goes to both, and when the provider ends it, both end. Signing out
 * in the browser ends the browser's alone.
 */
import { LIMITS } from '../../core/limits.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { PROVIDER_ENDED } from '../sign-in/claim-refresh.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';

/** Where a client session remembers the id of its browser session. */
export const BROWSER_SESSION = 'browserSession';

export interface FollowedSessionsOptions {
  readonly sessions: Pick<Sessions, 'find' | 'refresh' | 'revoke' | 'onRefreshed' | 'onEnded'>;
  /** A session is used: its provider may be asked again. */
  readonly used: (session: Session) => void;
  /** One could not be brought in step. */
  readonly onProblem: (error: unknown) => void;
}

export class FollowedSessions {
  readonly #options: FollowedSessionsOptions;
  /** Client sessions by the id of their browser session, the one used last at the end. */
  readonly #followers = new Map<string, Set<string>>();

  constructor(options: FollowedSessionsOptions) {
    this.#options = options;
    const { sessions } = options;
    sessions.onRefreshed((session) => {
      void this.#each(session.id, async (id) => this.#bringInStep(id, session));
    });
    sessions.onEnded(({ id: browser }, because) => {
      if (because === PROVIDER_ENDED) {
        void this.#each(browser, async (id) => sessions.revoke(id, because));
      }
      this.#followers.delete(browser);
    });
  }

  /** A client session is used. Resolves when its browser session has been told; never rejects. */
  async used(session: Session): Promise<void> {
    const browser = session.provider[BROWSER_SESSION];
    if (typeof browser !== 'string') return;
    try {
      const source = await this.#options.sessions.find(browser);
      if (source === undefined) return;
      this.#follow(browser, session.id);
      // What was said before this one was looked at.
      if (source.refreshedAt > session.refreshedAt) await this.#bringInStep(session.id, source);
      this.#options.used(source);
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  #follow(browser: string, id: string): void {
    const followers = this.#followers.get(browser) ?? new Set();
    followers.add(id);
    this.#followers.delete(browser);
    this.#followers.set(browser, followers);
    const [oldest] = this.#followers.keys();
    if (this.#followers.size > LIMITS.followedSessions && oldest !== undefined) {
      this.#followers.delete(oldest);
    }
  }

  async #bringInStep(id: string, { identity }: Session): Promise<void> {
    const { sessions } = this.#options;
    const session = await sessions.find(id);
    if (session !== undefined) await sessions.refresh(id, identity, session.provider);
  }

  async #each(browser: string, act: (id: string) => Promise<unknown>): Promise<void> {
    for (const id of this.#followers.get(browser) ?? []) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await act(id);
      } catch (error) {
        this.#options.onProblem(error);
      }
    }
  }
}
