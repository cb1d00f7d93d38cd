/**
 * Credentials of machines, checked in memory: all of them fit, and a machine sends its own with every request.
 *
 * A wrong secret takes as long as a right one. After a rotation the old secret is good until its overlap is over.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { secretHash } from '../core/secret-hash.ts';
import type { Change, ServiceTokenRecord, ServiceTokenStore } from '../store/store.ts';
import type { ChangeListener } from './change-watch.ts';
import type { ServiceTokenIdentity } from './identity.ts';

/** A service token that was shown with its secret. */
export interface VerifiedServiceToken extends ServiceTokenIdentity {
  /** When it ends by itself, ms since 1970: it, or the old secret that was shown. */
  readonly expiresAt: number;
}

/** What the secret of an unknown token is compared with. */
const NO_HASH = '0'.repeat(64);

export class ServiceTokens implements ChangeListener {
  readonly #store: Pick<ServiceTokenStore, 'list'>;
  readonly #clock: Clock;
  readonly #onChanged: ((gone: readonly string[]) => void)[] = [];
  #tokens: ReadonlyMap<string, ServiceTokenRecord> = new Map();

  constructor(store: Pick<ServiceTokenStore, 'list'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Reads all of them again. Throws STORE_*. */
  async load(): Promise<void> {
    const tokens = await this.#store.list();
    const before = this.#tokens;
    this.#tokens = new Map(tokens.map((token) => [token.id, token]));
    const gone = [...before.keys()].filter((id) => !this.#tokens.has(id));
    for (const tell of this.#onChanged) tell(gone);
  }

  /** Told after each load(): some may be gone, here by their ids. */
  onChanged(listener: (gone: readonly string[]) => void): void {
    this.#onChanged.push(listener);
  }

  /** The token with this id, if this is its secret. */
  verify(id: string, secret: string): VerifiedServiceToken | undefined {
    const now = this.#clock.wall();
    const token = this.#tokens.get(id);
    const hash = secretHash(secret);
    const isCurrent = isSame(hash, token?.secretHash);
    const isPrevious = isSame(hash, token?.previous?.secretHash);
    if (token === undefined || !(isCurrent || isPrevious)) return undefined;
    const end = token.expiresAt ?? Infinity;
    const expiresAt = isCurrent ? end : Math.min(end, token.previous?.until ?? 0);
    return expiresAt > now ? { id, name: token.name, expiresAt } : undefined;
  }

  /** The token of `id.secret`, as clients send it in one piece. */
  verifyPair(credential: string): VerifiedServiceToken | undefined {
    const [id = '', secret = ''] = credential.split('.', 2);
    return this.verify(id, secret);
  }

  /** Whether a token that was verified before still exists under this name and has not expired. */
  isLive({ id, name }: ServiceTokenIdentity): boolean {
    const token = this.#tokens.get(id);
    return token?.name === name && (token.expiresAt ?? Infinity) > this.#clock.wall();
  }

  async onChange({ kind }: Change): Promise<void> {
    if (kind === 'service-token') await this.load();
  }

  async onMissed(): Promise<void> {
    await this.load();
  }
}

function isSame(hash: string, wanted: string = NO_HASH): boolean {
  return timingSafeEqual(Buffer.from(hash, 'hex'), Buffer.from(wanted, 'hex'));
}
