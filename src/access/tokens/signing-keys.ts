/**
 * The keys that sign the gateway's tokens: ES256, made and replaced by the gateway itself (case C7).
 *
 * A key is published before it signs, so that whoever keeps the JWKS for a while knows it in time, and is published until
 * the last token it signed has expired. Several gateways on one store share the keys; two that make one at the same moment
 * leave two good keys.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import {
  exportJWK,
  generateKeyPair,
  importJWK,
  type CryptoKey,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import type { Clock } from '../../core/clock.ts';
import { newId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import type { KeyRecord, KeyStore } from '../../store/store.ts';

/** The algorithm of every token. */
export const TOKEN_ALGORITHM = 'ES256';

const USE = 'token';
const DAY_MS = 86_400_000;

export interface SigningKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** The same for node:crypto, which signs at once. */
export interface InstantKey {
  readonly kid: string;
  readonly key: KeyObject;
}

interface KnownKey extends SigningKey {
  readonly instant: KeyObject;
  readonly record: KeyRecord;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

export interface SigningKeysOptions {
  readonly store: KeyStore;
  readonly clock: Clock;
  /** How long a key signs, ms. */
  readonly rotationMs: number;
}

export class SigningKeys {
  readonly #options: SigningKeysOptions;
  #keys: readonly KnownKey[] = [];
  #tending: Promise<void> | undefined;
  #tendedAt = -Infinity;
  #onChanged: () => void = () => undefined;

  constructor(options: SigningKeysOptions) {
    this.#options = options;
  }

  /** The key that signs now. Throws STORE_*. */
  async current(): Promise<SigningKey> {
    if (this.#options.clock.now() - this.#tendedAt >= LIMITS.keyTendMs) await this.tend();
    return this.#active() ?? (await this.#tendAgain());
  }

  /** The key that signs now, as far as tend() has seen: for those that cannot wait. */
  currentNow(): InstantKey | undefined {
    const active = this.#active();
    return active && { kid: active.kid, key: active.instant };
  }

  /** How often tend() must be called where nobody asks for current(), ms: keys must be known well before they sign. */
  get tendEveryMs(): number {
    return Math.min(LIMITS.keyTendMs, publishAheadMs(this.#options.rotationMs) / 4);
  }

  /** The public keys have changed. There is one listener. */
  onChanged(listener: () => void): void {
    this.#onChanged = listener;
  }

  /** The public keys, also those that do not sign yet or no more. */
  jwks(): JSONWebKeySet {
    return { keys: this.#keys.map(({ publicJwk }) => publicJwk) };
  }

  /**
   * The public key of this id that tokens may be checked with; undefined when there is none. Looks into the store for one
   * that another gateway made, at most once a second (case A2).
   */
  async find(kid: string): Promise<CryptoKey | undefined> {
    const known = this.#publicKey(kid);
    if (known !== undefined) return known;
    if (this.#options.clock.now() - this.#tendedAt < LIMITS.keyLookMs) return undefined;
    await this.tend();
    return this.#publicKey(kid);
  }

  /** Reads the keys, makes the next one when it is time, removes the retired. Throws STORE_*. */
  async tend(): Promise<void> {
    this.#tending ??= this.#tend().finally(() => (this.#tending = undefined));
    await this.#tending;
  }

  async #tendAgain(): Promise<SigningKey> {
    await this.tend();
    const active = this.#active();
    if (active === undefined) throw new TypeError('tending keys left none that signs');
    return active;
  }

  async #tend(): Promise<void> {
    const { store, clock, rotationMs } = this.#options;
    const now = clock.wall();
    this.#tendedAt = clock.now();
    const records = await store.list(USE);
    const kept = records.filter(({ retireAt = Infinity }) => retireAt > now);
    for (const { id } of records) {
      // oxlint-disable-next-line no-await-in-loop
      if (kept.every((record) => record.id !== id)) await store.remove(id);
    }
    const newest = kept.reduce((latest, { activeFrom }) => Math.max(latest, activeFrom), -Infinity);
    const aheadMs = publishAheadMs(rotationMs);
    if (kept.every(({ activeFrom }) => activeFrom > now)) kept.push(await this.#make(now));
    else if (now >= newest + rotationMs - aheadMs) kept.push(await this.#make(now + aheadMs));
    const before = this.#keys.map(({ kid }) => kid).join(' ');
    this.#keys = await Promise.all(kept.map(async (record) => this.#import(record)));
    if (this.#keys.map(({ kid }) => kid).join(' ') !== before) this.#onChanged();
  }

  async #make(activeFrom: number): Promise<KeyRecord> {
    const { store, clock, rotationMs } = this.#options;
    const { privateKey } = await generateKeyPair(TOKEN_ALGORITHM, { extractable: true });
    const record = {
      id: newId(),
      use: USE,
      privateJwk: { ...(await exportJWK(privateKey)) },
      createdAt: clock.wall(),
      activeFrom,
      // The next one may be late by as much as it is published ahead.
      retireAt: activeFrom + rotationMs + publishAheadMs(rotationMs) + LIMITS.appTokenMs,
    };
    await store.add(record);
    return record;
  }

  async #import(record: KeyRecord): Promise<KnownKey> {
    const known = this.#keys.find(({ kid }) => kid === record.id);
    if (known !== undefined) return known;
    const { d: _, ...rest } = record.privateJwk;
    const publicJwk: JWK = { ...rest, kid: record.id, alg: TOKEN_ALGORITHM, use: 'sig' };
    return {
      kid: record.id,
      record,
      key: await importKey({ ...record.privateJwk }),
      instant: createPrivateKey({ key: { ...record.privateJwk }, format: 'jwk' }),
      publicKey: await importKey(publicJwk),
      publicJwk,
    };
  }

  #active(): KnownKey | undefined {
    const now = this.#options.clock.wall();
    return this.#keys
      .filter(({ record }) => record.activeFrom <= now && (record.retireAt ?? Infinity) > now)
      .toSorted((a, b) => b.record.activeFrom - a.record.activeFrom)[0];
  }

  #publicKey(kid: string): CryptoKey | undefined {
    const now = this.#options.clock.wall();
    const known = this.#keys.find((key) => key.kid === kid);
    return known !== undefined && (known.record.retireAt ?? Infinity) > now
      ? known.publicKey
      : undefined;
  }
}

/** How long before it signs a key is published, ms. */
function publishAheadMs(rotationMs: number): number {
  return Math.min(DAY_MS, rotationMs / 4);
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, TOKEN_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError('a signing key is no EC key');
  return key;
}
