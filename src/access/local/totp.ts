/**
 * One-time codes by RFC 6238: six digits, thirty seconds, HMAC-SHA-1, as every authenticator app has them.
 *
 * The step before and the step after count too, since clocks differ. Which step a code belongs to is returned, and whoever asks keeps
 * it: a code is good once.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const STEP_MS = 30_000;
const DIGITS = 6;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new secret, 160 bits in base32. */
export function newTotpSecret(): string {
  return base32(randomBytes(20));
}

/** What an authenticator app reads, usually from a QR code. It holds the secret. */
export function totpUri(name: string, issuer: string, secret: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(name)}`;
  const query = new URLSearchParams({ secret, issuer, digits: String(DIGITS), period: '30' });
  return `otpauth://totp/${label}?${query.toString()}`;
}

/** The step whose code this is, above `lastStep`; undefined when it is none, or was used. `now` in ms since 1970. */
export function totpStep(
  code: string,
  secret: string,
  now: number,
  lastStep = -1,
): number | undefined {
  const given = code.replaceAll(/\s/g, '');
  if (!/^\d{6}$/.test(given)) return undefined;
  const current = Math.floor(now / STEP_MS);
  const key = unbase32(secret);
  let found: number | undefined;
  for (const step of [current - 1, current, current + 1]) {
    // All three, so that the time taken says nothing.
    const isIt = timingSafeEqual(Buffer.from(codeAt(key, step)), Buffer.from(given));
    if (isIt && step > lastStep) found = step;
  }
  return found;
}

/** The code of a step. */
export function totpCode(secret: string, now: number): string {
  return codeAt(unbase32(secret), Math.floor(now / STEP_MS));
}

function codeAt(key: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.max(0, step)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0xf;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

function base32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31] ?? '';
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + (ALPHABET[(held << (5 - bits)) & 31] ?? '');
}

function unbase32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const char of text.toUpperCase()) {
    const value = ALPHABET.indexOf(char);
    if (value === -1) continue;
    held = (held << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 255);
    held &= (1 << bits) - 1;
  }
  return Buffer.from(bytes);
}
