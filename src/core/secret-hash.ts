/** Hashes of secrets and of ids that are secrets. All are long and random, so there is nothing to guess and no salt. */
import { createHash } from 'node:crypto';

/** SHA-256, lower-case hex. */
export function secretHash(secret: string | Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex');
}
