/**
 * The gateway as an SSH user authority: the keys that sign certificates, and which of them does.
 *
 * Made on first use, kept in the store, read from it each time, so that all processes of a gateway agree. A rotation adds a
 * key that signs only later: until then every sshd can be told of it, and afterwards the old one is published for as long
 * as something it signed may be valid. docs/access.md "SSH", docs/decisions/0017.
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { hasCode, PosternError } from '../../core/error.ts';
import { newId } from '../../core/id.ts';
import type { KeyRecord, KeyStore } from '../../store/store.ts';
import { sshFingerprint } from './ssh-public-key.ts';
import { authorityBlob } from './user-certificate.ts';

/** A key of the authority, without its private half. */
export interface AuthorityKey {
  /** A line of the file that `TrustedUserCAKeys` names. */
  readonly line: string;
  /** `SHA256:…`, as ssh-keygen shows it. */
  readonly fingerprint: string;
  /** `next` signs later, `old` no more. */
  readonly state: 'signing' | 'next' | 'old';
  readonly activeFrom: number;
}

const USE = 'ssh-ca';
/** The first key has a name, so that of several processes that make it at once one wins. */
const FIRST_ID = 'ssh-ca';
/** How long a key that signs no more is published, ms: well beyond the longest certificate. */
const OLD_MS = 3_600_000;

export class SshAuthority {
  readonly #keys: KeyStore;
  readonly #clock: Clock;

  constructor(keys: KeyStore, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  /** What sshd must trust: the key that signs first, then the others. Rejects with STORE_*. */
  async publicKeys(): Promise<AuthorityKey[]> {
    const records = await this.#alive();
    const signing = this.#signingOf(records);
    const states = records.map((record): AuthorityKey => {
      const isLater = record.activeFrom > signing.activeFrom;
      return publicKey(record, record === signing ? 'signing' : isLater ? 'next' : 'old');
    });
    const order = ['signing', 'next', 'old'];
    return states.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  }

  /** The key that signs now, an Ed25519 private key. Rejects with STORE_*. */
  async signingKey(): Promise<KeyObject> {
    return privateKey(this.#signingOf(await this.#alive()));
  }

  /** Adds a key that signs from `leadMs` from now on. STORE_EXISTS while another one waits for its turn. */
  async rotate(leadMs: number): Promise<AuthorityKey[]> {
    const keys = await this.publicKeys();
    const next = keys.find(({ state }) => state === 'next');
    if (next !== undefined) {
      const when = new Date(next.activeFrom).toISOString();
      const message = `Cannot rotate the SSH authority: the next key is there and signs from ${when}`;
      throw new PosternError('STORE_EXISTS', message);
    }
    const now = this.#clock.wall();
    await this.#keys.add(newKey(newId(), now, now + leadMs));
    return this.publicKeys();
  }

  /** The keys to publish, by when they begin to sign; makes the first one, and removes those whose time is over. */
  async #alive(): Promise<KeyRecord[]> {
    let records = await this.#keys.list(USE);
    if (records.length === 0) {
      const now = this.#clock.wall();
      await this.#keys.add(newKey(FIRST_ID, now, now)).catch((error: unknown) => {
        // Another process was faster, with the same id.
        if (!hasCode(error, 'STORE_EXISTS')) throw error;
      });
      records = await this.#keys.list(USE);
    }
    const sorted = records.toSorted(
      (a, b) => a.activeFrom - b.activeFrom || (a.id < b.id ? -1 : 1),
    );
    const signing = this.#signingOf(sorted);
    const isOver = (record: KeyRecord): boolean =>
      sorted.indexOf(record) < sorted.indexOf(signing) &&
      signing.activeFrom + OLD_MS <= this.#clock.wall();
    await Promise.all(sorted.filter(isOver).map(async ({ id }) => this.#keys.remove(id)));
    return sorted.filter((record) => !isOver(record));
  }

  /** The last whose time has come; where clocks of two machines disagree about the first one, that. */
  #signingOf(sorted: readonly KeyRecord[]): KeyRecord {
    const now = this.#clock.wall();
    const signing = sorted.findLast(({ activeFrom }) => activeFrom <= now) ?? sorted[0];
    if (signing !== undefined) return signing;
    throw new PosternError('STORE_FAILED', 'Cannot sign an SSH certificate: there is no key');
  }
}

function newKey(id: string, createdAt: number, activeFrom: number): KeyRecord {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const { kty = '', crv = '', d = '', x = '' } = jwk;
  return { id, use: USE, privateJwk: { kty, crv, d, x }, createdAt, activeFrom };
}

function privateKey({ privateJwk }: KeyRecord): KeyObject {
  const key: JsonWebKey = privateJwk;
  return createPrivateKey({ key, format: 'jwk' });
}

function publicKey(record: KeyRecord, state: AuthorityKey['state']): AuthorityKey {
  const blob = authorityBlob(privateKey(record));
  const made = new Date(record.createdAt).toISOString().slice(0, 10);
  return {
    line: `ssh-ed25519 ${blob.toString('base64')} postern-ssh-ca-${made}`,
    fingerprint: sshFingerprint(blob),
    state,
    activeFrom: record.activeFrom,
  };
}
