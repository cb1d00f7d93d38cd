/**
 * Local users as administrators manage them: added, listed, given a new password, removed.
 *
 * A user whose password or second step changes, or who is removed, loses every session at once: the usual reason is that somebody else
 * may know it.
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/clock.ts';
import type { SessionStore, UserRecord, UserStore } from '../../store/store.ts';
import { canonicalEmail } from '../sign-in/canonical-email.ts';
import { hashPassword } from './password-hash.ts';
import { newTotpSecret, totpUri } from './totp.ts';

export interface UserAccountsOptions {
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly clock: Clock;
}

export interface NewUser {
  readonly name: string;
  readonly password: string;
  readonly email?: string | undefined;
  readonly groups: readonly string[];
  /** Whether a one-time code is asked for at each sign-in. */
  readonly hasTotp: boolean;
}

/** What becomes of the second step: a new secret, none, or what it was. */
export type TotpChange = 'new' | 'none' | 'keep';

export class UserAccounts {
  readonly #options: UserAccountsOptions;

  constructor(options: UserAccountsOptions) {
    this.#options = options;
  }

  /** Adds a user; the address for an authenticator app is shown this once. ADMIN_BAD_REQUEST, STORE_EXISTS, STORE_LIMIT. */
  async add({ name, password, email, groups, hasTotp }: NewUser): Promise<{ totpUri?: string }> {
    const action = `add user "${name}"`;
    if (!isUserName(name)) throw bad(action, USER_NAME_RULE);
    checkPasswordLength(action, password);
    const address = canonicalEmail(email);
    if (email !== undefined && address === undefined) {
      throw bad(action, `"${email}" is not an e-mail address`);
    }
    const isGroups = groups.every((group) => /^[\u0021-\u007e][\u0020-\u007e]{0,99}$/.test(group));
    if (!isGroups || groups.length > MAX_GROUPS) throw bad(action, GROUP_RULE);
    const totpSecret = hasTotp ? newTotpSecret() : undefined;
    await this.#options.users.add({
      name,
      passwordHash: await hashPassword(password),
      ...(totpSecret !== undefined && { totpSecret }),
      ...(address !== undefined && { email: address }),
      groups: [...new Set(groups)],
      disabled: false,
      createdAt: this.#options.clock.wall(),
    });
    return totpSecret === undefined ? {} : { totpUri: totpUri(name, ISSUER, totpSecret) };
  }

  async list(): Promise<UserRecord[]> {
    return this.#options.users.list();
  }

  /** Removes a user and ends their sessions. STORE_NOT_FOUND. */
  async remove(name: string): Promise<void> {
    await this.#options.users.remove(name);
    await this.#endSessions(name, 'the user was removed');
  }

  /** Gives a user a new password and ends their sessions. ADMIN_BAD_REQUEST, STORE_NOT_FOUND. */
  async setPassword(
    name: string,
    password: string,
    totp: TotpChange,
  ): Promise<{ totpUri?: string }> {
    const action = `change the password of user "${name}"`;
    checkPasswordLength(action, password);
    const user = await this.#options.users.find(name);
    if (user === undefined) {
      throw new PosternError('STORE_NOT_FOUND', `Cannot ${action}: no user has this name`);
    }
    const { totpSecret: before, ...rest } = user;
    const totpSecret = totp === 'new' ? newTotpSecret() : totp === 'keep' ? before : undefined;
    const passwordHash = await hashPassword(password);
    const changed = { ...rest, passwordHash, ...(totpSecret !== undefined && { totpSecret }) };
    await this.#options.users.update(changed);
    await this.#endSessions(name, 'the password was changed');
    const isNew = totp === 'new' && totpSecret !== undefined;
    return isNew ? { totpUri: totpUri(name, ISSUER, totpSecret) } : {};
  }

  async #endSessions(name: string, because: string): Promise<void> {
    const { sessions } = this.#options;
    for (const { id, provider } of await sessions.list()) {
      // oxlint-disable-next-line no-await-in-loop
      if (provider[LOCAL_USER_KEY] === name) await sessions.revoke(id, because);
    }
  }
}

/** Where a session of a local user says so, whatever its provider is called in the configuration. */
export const LOCAL_USER_KEY = 'localUser';

/** Names of local users: lower case, so that a name is never taken for another. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?$/.test(name);
}

const USER_NAME_RULE =
  'a name has up to 64 lower-case letters, digits and ._@+-, and begins and ends with a letter or digit';
const MAX_GROUPS = 50;
const GROUP_RULE = `at most ${MAX_GROUPS} groups, each of at most 100 printable ASCII characters`;
const ISSUER = 'Postern';

function checkPasswordLength(action: string, password: string): void {
  const { passwordMinChars: least, formFieldChars: most } = LIMITS;
  if (password.length >= least && password.length <= most) return;
  throw bad(action, `a password has ${least} to ${most} characters`);
}

function bad(action: string, rule: string): PosternError {
  return new PosternError('ADMIN_BAD_REQUEST', `Cannot ${action}: ${rule}`);
}
