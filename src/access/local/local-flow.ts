/**
 * Local users: a name and a password, then a one-time code where one is set up. For trials, and for the day on which the identity
 * provider is down.
 *
 * Whether a name exists cannot be learnt: unknown, disabled and wrong take the same time and get the same answer, and the second step
 * is only shown to who knew the password.
 */
import type { Clock } from '../../core/clock.ts';
import { hasCode } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { UserRecord, UserStore } from '../../store/store.ts';
import type { Identity } from '../identity.ts';
import { codePage, passwordPage } from '../pages/password-page.ts';
import { formOf, isSameOrigin } from '../sign-in/same-origin.ts';
import type { LoginFailure } from '../sign-in/login-failure.ts';
import type { FlowHost, ProviderFlow, StartedLogin } from '../sign-in/provider-flow.ts';
import type { OutsideAddress } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { PasswordBan } from './password-ban.ts';
import { checkPassword } from './password-hash.ts';
import { totpStep } from './totp.ts';
import { isUserName, LOCAL_USER_KEY } from './user-accounts.ts';

export interface LocalFlowOptions {
  readonly id: string;
  readonly label: string;
  readonly users: Pick<UserStore, 'find' | 'claimTotpStep'>;
  readonly address: OutsideAddress;
  readonly clock: Clock;
}

const WRONG = 'The user name or the password is wrong.';
const WRONG_CODE = 'The code is wrong, or was used before. Wait for the next one.';
const BANNED = 'Too many attempts. Wait a few minutes and try again.';
const BUSY = 'Too many people sign in at the moment. Try again.';

export class LocalFlow implements ProviderFlow {
  readonly type = 'local';
  readonly id: string;
  readonly label: string;
  readonly #options: LocalFlowOptions;
  readonly #ban: PasswordBan;

  constructor(options: LocalFlowOptions) {
    this.id = options.id;
    this.label = options.label;
    this.#options = options;
    this.#ban = new PasswordBan(options.clock);
  }

  async start({ ticket }: StartedLogin): Promise<WebResponse> {
    return passwordPage({ action: this.#action('password'), label: this.label, ticket });
  }

  async handle(request: WebRequest, rest: string, host: FlowHost): Promise<WebResponse> {
    const { address } = this.#options;
    const form = formOf(request);
    const isOurs = isSameOrigin(request, address.origin(address.authHost));
    if (form === undefined || !isOurs) {
      return host.failed(request, 'form', 'the form is not one of our own pages');
    }
    if (rest === 'password') return this.#password(request, form, host);
    if (rest === 'code') return this.#code(request, form, host);
    return host.failed(request, 'form', 'there is no such form');
  }

  async #password(
    request: WebRequest,
    form: URLSearchParams,
    host: FlowHost,
  ): Promise<WebResponse> {
    const { ticket, name, password } = fieldsOf(form);
    const again = async (status: number, problem: string, reason: LoginFailure) => {
      await host.auditFailure(request, reason, `user "${name}"`);
      const action = this.#action('password');
      return passwordPage({ action, label: this.label, ticket, name, status, problem });
    };
    if (this.#ban.isBanned(name, request.address)) return again(429, BANNED, 'banned');
    const user = isUserName(name) ? await this.#options.users.find(name) : undefined;
    let isRight: boolean;
    try {
      isRight = await checkPassword(password, user?.passwordHash);
    } catch (error) {
      if (!hasCode(error, 'ACCESS_TOO_MANY')) throw error;
      return again(429, BUSY, 'limit');
    }
    if (user === undefined || !isRight || user.disabled) {
      this.#ban.failed(name, request.address);
      return again(401, WRONG, isRight ? 'disabled' : 'password');
    }
    if (user.totpSecret !== undefined) return this.#askCode(request, ticket, name, host);
    this.#ban.succeeded(name, request.address);
    return host.signedIn(request, ticket, {
      identity: this.#identity(user, ['pwd']),
      provider: { [LOCAL_USER_KEY]: user.name },
    });
  }

  async #askCode(
    request: WebRequest,
    ticket: string,
    name: string,
    host: FlowHost,
    problem?: string,
  ): Promise<WebResponse> {
    const { reference, setCookie } = await host.begin(request, { ticket, state: { name } });
    return codePage({
      action: this.#action('code'),
      reference,
      problem,
      status: problem === undefined ? 200 : 401,
      headers: [['set-cookie', setCookie]],
    });
  }

  async #code(request: WebRequest, form: URLSearchParams, host: FlowHost): Promise<WebResponse> {
    const open = await host.finish(request, form.get('reference') ?? '');
    const name = open?.state['name'];
    if (open === undefined || typeof name !== 'string') {
      return host.failed(request, 'state', 'the code belongs to no sign-in of this browser');
    }
    const { users, clock } = this.#options;
    const user = await users.find(name);
    if (user?.totpSecret === undefined || user.disabled) {
      return host.failed(request, 'disabled', `user "${name}" was changed meanwhile`);
    }
    if (this.#ban.isBanned(name, request.address)) {
      await host.auditFailure(request, 'banned', `user "${name}"`);
      const action = this.#action('password');
      const { ticket } = open;
      return passwordPage({ action, label: this.label, ticket, status: 429, problem: BANNED });
    }
    const code = form.get('code') ?? '';
    const step = totpStep(code, user.totpSecret, clock.wall(), user.totpLastStep);
    if (step === undefined || !(await users.claimTotpStep(name, step))) {
      this.#ban.failed(name, request.address);
      await host.auditFailure(request, 'code', `user "${name}"`);
      return this.#askCode(request, open.ticket, name, host, WRONG_CODE);
    }
    this.#ban.succeeded(name, request.address);
    return host.signedIn(request, open.ticket, {
      identity: this.#identity(user, ['pwd', 'otp', 'mfa']),
      provider: { [LOCAL_USER_KEY]: user.name },
    });
  }

  #identity({ name, email, groups }: UserRecord, methods: readonly string[]): Identity {
    return {
      provider: this.id,
      subject: name,
      name,
      ...(email !== undefined && { email }),
      groups,
      methods,
      claims: {},
    };
  }

  #action(step: 'password' | 'code'): string {
    return `/.postern/local/${this.id}/${step}`;
  }
}

function fieldsOf(form: URLSearchParams) {
  const field = (name: string) => (form.get(name) ?? '').slice(0, LIMITS.formFieldChars);
  return {
    // Signed, so it is not cut: tickets.ts refuses long ones.
    ticket: form.get('ticket') ?? '',
    name: field('name').trim().toLowerCase(),
    password: field('password'),
  };
}
