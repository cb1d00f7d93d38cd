/** Local users, as the admin API has them: lists are text with commas, times are ISO 8601, and a password only ever goes in. */
import { UserAccounts, type TotpChange } from '../access/local/user-accounts.ts';
import { systemClock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import type { Store } from '../store/store.ts';
import type { AdminCalls, ChangedUser, UserSummary } from './admin-api.ts';

/** Adds a user; the parameters are those of `user.add`. */
export async function addUser(
  store: Store,
  params: AdminCalls['user.add']['params'],
): Promise<ChangedUser> {
  const { name, password, email, groups = '', totp = 'no' } = params;
  if (totp !== 'yes' && totp !== 'no') throw bad('totp is yes or no');
  const list = groups.split(',').filter((group) => group !== '');
  const added = await accounts(store).add({
    name,
    password,
    email,
    groups: list,
    hasTotp: totp === 'yes',
  });
  return { name, ...added };
}

export async function listUsers(store: Store): Promise<UserSummary[]> {
  const users = await accounts(store).list();
  return users.map(({ name, email, groups, totpSecret, disabled, createdAt }) => ({
    name,
    ...(email !== undefined && { email }),
    groups,
    totp: totpSecret !== undefined,
    disabled,
    createdAt: new Date(createdAt).toISOString(),
  }));
}

/** Removes a user and ends their sessions. */
export async function removeUser(store: Store, name: string): Promise<ChangedUser> {
  await accounts(store).remove(name);
  return { name };
}

/** Gives a user a new password and ends their sessions; the parameters are those of `user.passwd`. */
export async function changePassword(
  store: Store,
  { name, password, totp = 'keep' }: AdminCalls['user.passwd']['params'],
): Promise<ChangedUser> {
  if (!isTotpChange(totp)) throw bad('totp is new, none or keep');
  return { name, ...(await accounts(store).setPassword(name, password, totp)) };
}

function isTotpChange(text: string): text is TotpChange {
  return text === 'new' || text === 'none' || text === 'keep';
}

function accounts({ users, sessions }: Store): UserAccounts {
  return new UserAccounts({ users, sessions, clock: systemClock });
}

function bad(why: string): PosternError {
  return new PosternError('ADMIN_BAD_REQUEST', `Cannot answer the admin request: ${why}`);
}
