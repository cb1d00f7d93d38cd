/**
 * Passwords of local users, as they are kept: scrypt with its parameters written beside the result, so that they can be raised later
 * without touching what exists (`$scrypt$ln=15,r=8,p=1$<salt>$<hash>`).
 *
 * A check takes some 32 MiB and a tenth of a second on purpose. That is ours too, so few run at once and few wait: a flood of
 * wrong passwords finds no more than LIMITS.passwordChecks of them (case A3, and issue of bounded state).
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

interface Parameters {
  /** log2 of scrypt's N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

const CURRENT: Parameters = { ln: 15, r: 8, p: 1 };
const HASH_BYTES = 32;
const PATTERN = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([\w-]{22})\$([\w-]{43})$/;

let running = 0;
const waiting: (() => void)[] = [];

/** The text to keep of a new password. Rejects with ACCESS_TOO_MANY when too many are being worked on. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await bounded(async () => work(password, salt, CURRENT));
  const { ln, r, p } = CURRENT;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/**
 * Whether this is the password. Takes as long for `undefined`, which stands for a user that does not exist, as for a wrong one.
 * Rejects with ACCESS_TOO_MANY when too many are being worked on.
 */
export async function checkPassword(password: string, kept: string | undefined): Promise<boolean> {
  const match = PATTERN.exec(kept ?? '');
  const [, ln, r, p, salt = '', hash = ''] = match ?? [];
  const parameters = match === null ? CURRENT : { ln: Number(ln), r: Number(r), p: Number(p) };
  const own = await bounded(async () => work(password, Buffer.from(salt, 'base64url'), parameters));
  const known = Buffer.from(hash, 'base64url');
  return match !== null && known.length === own.length && timingSafeEqual(known, own);
}

async function work(password: string, salt: Buffer, { ln, r, p }: Parameters): Promise<Buffer> {
  // NFKC: the same password typed on another keyboard may come in another form of Unicode.
  const text = password.normalize('NFKC');
  const N = 2 ** ln;
  return derive(text, salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r });
}

/** Runs a few at a time; they share libuv's threads with name look-ups and files. */
async function bounded<T>(task: () => Promise<T>): Promise<T> {
  if (running >= LIMITS.passwordChecks) {
    if (waiting.length >= LIMITS.passwordChecksWaiting) {
      const message = `Cannot check the password: ${waiting.length} others wait, the limit`;
      throw new PosternError('ACCESS_TOO_MANY', message);
    }
    await new Promise<void>((resolve) => void waiting.push(resolve));
  } else running += 1;
  try {
    return await task();
  } finally {
    const next = waiting.shift();
    // The place goes to the next one; nobody can take it in between.
    if (next === undefined) running -= 1;
    else next();
  }
}
