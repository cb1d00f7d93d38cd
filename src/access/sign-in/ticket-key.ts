/** The key that tickets are signed with: one for all gateways on a database, made by the first that needs it. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { hasCode, PosternError } from '../../core/error.ts';
import type { KeyStore } from '../../store/store.ts';

const USE = 'ticket';

/** 32 random bytes. Rejects with STORE_*. */
export async function ticketKey(keys: KeyStore, clock: Clock): Promise<Buffer> {
  const known = await find(keys);
  if (known !== undefined) return known;
  const now = clock.wall();
  const privateJwk = { kty: 'oct', k: randomBytes(32).toString('base64url') };
  try {
    await keys.add({ id: USE, use: USE, privateJwk, createdAt: now, activeFrom: now });
  } catch (error) {
    // Another process was faster; its key counts.
    if (!hasCode(error, 'STORE_EXISTS')) throw error;
  }
  const made = await find(keys);
  if (made !== undefined) return made;
  throw new PosternError('STORE_FAILED', 'Cannot sign tickets: the key was not kept');
}

async function find(keys: KeyStore): Promise<Buffer | undefined> {
  const [first] = await keys.list(USE);
  const key = first?.privateJwk['k'];
  return typeof key === 'string' ? Buffer.from(key, 'base64url') : undefined;
}
