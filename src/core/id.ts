/** Random identifiers. All are unguessable; those that are secrets say so. */
import { randomBytes, randomUUID } from 'node:crypto';

/** A tunnel, replica, link or gateway id: a UUID, shown in logs and listings. */
export function newId(): string {
  return randomUUID();
}

/** Whether `text` has the form of an id that `newId` makes. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** Random bytes for request ids, drawn for many at a time: one call per request cost a twentieth of it. */
let pool = Buffer.alloc(0);
let poolUsed = 0;

/** A request id: 16 hex digits, short enough to be read out by a user from an error page. */
export function newRequestId(): string {
  if (poolUsed === pool.length) {
    pool = randomBytes(8 * 256);
    poolUsed = 0;
  }
  poolUsed += 8;
  return pool.toString('hex', poolUsed - 8, poolUsed);
}

/** A secret of `bytes` random bytes in base64url. */
export function newSecret(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}
