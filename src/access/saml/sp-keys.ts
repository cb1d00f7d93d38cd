/**
 * Our own keys: one that signs requests, one that assertions are encrypted for. All SAML providers share them.
 *
 * They are made on first use and kept in the store with their certificates, as `x5c` of the JWK (RFC 7517 4.7), because an IdP is told
 * of them once. Two gateways that start together make one pair: the id of the first key is fixed, and the second add fails.
 */
import { createPrivateKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { PosternError, hasCode } from '../../core/error.ts';
import type { KeyRecord } from '../../store/store.ts';
import type { SamlPorts } from './saml-ports.ts';

type KeyUse = 'saml-signing' | 'saml-encryption';

/** A key with its certificate. */
export interface SpKey {
  /** PKCS #8 PEM. */
  readonly privateKey: string;
  /** Base64 of DER. */
  readonly certificate: string;
}

export interface SpKeys {
  /** At least one; the last one signs. */
  readonly signing: readonly SpKey[];
  /** At least one; each may decrypt. */
  readonly encryption: readonly SpKey[];
}

/** Reads our keys, or makes them. Throws STORE_* and CONFIG_TLS for a key that cannot be used. `now` in ms since 1970. */
export async function ensureSpKeys(
  ports: Pick<SamlPorts, 'keys' | 'certify'>,
  now: number,
): Promise<SpKeys> {
  const read = async (use: KeyUse): Promise<SpKey[]> => {
    const found = await ports.keys.list(use);
    if (found.length === 0) await addKey(ports, use, now);
    const records = found.length === 0 ? await ports.keys.list(use) : found;
    return records
      .filter(({ activeFrom, retireAt }) => activeFrom <= now && (retireAt ?? Infinity) > now)
      .map((record) => toKey(record));
  };
  return { signing: await read('saml-signing'), encryption: await read('saml-encryption') };
}

async function addKey(
  { keys, certify }: Pick<SamlPorts, 'keys' | 'certify'>,
  use: KeyUse,
  now: number,
): Promise<void> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const certificate = pemBody(await certify(pem, `Postern ${use}`, now));
  const privateJwk = { ...privateKey.export({ format: 'jwk' }), x5c: [certificate] };
  try {
    await keys.add({ id: `${use}-1`, use, privateJwk, createdAt: now, activeFrom: now });
  } catch (error) {
    if (!hasCode(error, 'STORE_EXISTS')) throw error;
  }
}

function toKey({ id, privateJwk }: KeyRecord): SpKey {
  const { x5c } = privateJwk;
  const certificate: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
  try {
    if (typeof certificate !== 'string') throw new TypeError('it has no certificate');
    const key = createPrivateKey({ key: { ...privateJwk }, format: 'jwk' });
    return { privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate };
  } catch (cause) {
    throw new PosternError('CONFIG_TLS', `Cannot use the SAML key "${id}" of the store`, { cause });
  }
}

function pemBody(pem: string): string {
  return pem.replace(/-----[A-Z ]+-----|\s/g, '');
}
