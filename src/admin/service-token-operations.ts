/** Service tokens, as the admin API has them: durations are text, times are ISO 8601, and a secret is shown once. */
import { parseDuration } from '../core/duration.ts';
import { PosternError } from '../core/error.ts';
import type { IssuedServiceToken, ServiceTokenRecord, Store } from '../store/store.ts';
import type { AdminCalls, NewServiceToken, ServiceTokenSummary } from './admin-api.ts';

/** How long the old secret is good after a rotation where nobody says so. */
const DEFAULT_OVERLAP = '1h';

/** Makes one; `expires` is a duration from now. */
export async function createServiceToken(
  store: Store,
  { name, expires }: AdminCalls['service-token.create']['params'],
  now: number,
): Promise<NewServiceToken> {
  const expiresAt = expires === undefined ? undefined : now + durationOf('expires', expires);
  return newServiceToken(await store.serviceTokens.create(name, expiresAt));
}

export async function listServiceTokens(store: Store): Promise<ServiceTokenSummary[]> {
  return (await store.serviceTokens.list()).map(summaryOf);
}

/** Gives one a new secret; the old one is good for `overlap` more. */
export async function rotateServiceToken(
  store: Store,
  { name, overlap = DEFAULT_OVERLAP }: AdminCalls['service-token.rotate']['params'],
): Promise<NewServiceToken> {
  return newServiceToken(await store.serviceTokens.rotate(name, durationOf('overlap', overlap)));
}

/** Removes one. */
export async function revokeServiceToken(store: Store, name: string): Promise<ServiceTokenSummary> {
  return summaryOf(await store.serviceTokens.remove(name));
}

function newServiceToken({ token, secret }: IssuedServiceToken): NewServiceToken {
  return { ...summaryOf(token), secret };
}

function summaryOf(token: ServiceTokenRecord): ServiceTokenSummary {
  const { id, name, createdAt, rotatedAt, expiresAt, previous } = token;
  return {
    id,
    name,
    createdAt: isoTime(createdAt),
    ...(rotatedAt !== undefined && { rotatedAt: isoTime(rotatedAt) }),
    ...(expiresAt !== undefined && { expiresAt: isoTime(expiresAt) }),
    ...(previous !== undefined && { previousUntil: isoTime(previous.until) }),
  };
}

function durationOf(what: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  const message = `Cannot read ${what}: "${text}" is not a duration such as 90d or 1h`;
  throw new PosternError('ADMIN_BAD_REQUEST', message);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
