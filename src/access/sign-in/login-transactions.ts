/**
 * Sign-ins under way: from the first page until the provider's answer.
 *
 * A transaction is a row that is taken once, by one of several that want it (cases O4, O5), belongs to one browser by its cookie
 * (O3) and to one provider (O11), and ends by itself. The number of rows is held by the store and by the limit per address.
 */
import type { Clock } from '../../core/clock.ts';
import { newSecret } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import type { WebRequest } from '../web-message.ts';
import { bindLogin, holdsLogin } from './login-cookies.ts';
import type { OpenLogin } from './provider-flow.ts';
import type { OnceRows, ProviderState } from './sign-in-ports.ts';

export class LoginTransactions {
  readonly #rows: Pick<OnceRows, 'put' | 'take'>;
  readonly #clock: Clock;

  constructor(rows: Pick<OnceRows, 'put' | 'take'>, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  async begin(
    request: WebRequest,
    flowId: string,
    { ticket, state, crossSite = false }: OpenLogin,
  ): Promise<{ reference: string; setCookie: string }> {
    const now = this.#clock.wall();
    const { secretHash, setCookie } = bindLogin(request, crossSite, now);
    const reference = newSecret(24);
    const row = { flow: flowId, browser: secretHash, ticket, state };
    await this.#rows.put('login', reference, row, now + LIMITS.loginMs);
    return { reference, setCookie };
  }

  /**
   * Takes it. One that is taken by the wrong browser is used up all the same: whoever has its reference and not its cookie has no good
   * reason to try.
   */
  async finish(
    request: WebRequest,
    flowId: string,
    reference: string,
  ): Promise<{ ticket: string; state: ProviderState } | undefined> {
    if (!/^[\w-]{32}$/.test(reference)) return undefined;
    const row = await this.#rows.take('login', reference);
    if (row === undefined || row['flow'] !== flowId) return undefined;
    const { browser, ticket, state } = row;
    if (typeof browser !== 'string' || !holdsLogin(request, browser)) return undefined;
    return { ticket: String(ticket), state: isState(state) ? state : {} };
  }
}

function isState(value: unknown): value is ProviderState {
  return typeof value === 'object' && value !== null;
}
