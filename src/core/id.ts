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

/** A request id: 16 hex digits, short enough to be read out by a user from an error page. */
export function newRequestId(): string {
  return randomBytes(8).toString('hex');
}

/** A secret of `bytes` random bytes in base64url. */
export function newSecret(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}
