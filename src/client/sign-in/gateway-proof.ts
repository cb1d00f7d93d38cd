/**
 * The proof that a host belongs to a gateway, checked before any token goes there (case L2).
 *
 * The proof is signed for our nonce and for the host that we asked, whose certificate we have seen. So a server cannot pass on
 * another's, and one with a key of its own is a gateway of its own: whether it is the one that we know, its key decides.
 */
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK } from 'jose';
import { messageOf } from '../../core/error.ts';
import { quoteForeign } from '../../transport/dial/dial-error.ts';
import { notAGateway, type GatewayHttp } from './gateway-http.ts';
import { isGatewayOrigin, isThumbprint } from '../gateway-identity.ts';

/** What a host has proved. */
export interface ProvenHost {
  /** Origin of the gateway's auth host, which names the gateway. */
  readonly gateway: string;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly key: string;
  /** Thumbprints of all keys that the gateway may sign with now or soon; `key` is one. */
  readonly keys: readonly string[];
}

/** Has `origin` prove whose it is. Rejects with LINK_HANDSHAKE when it does not. */
export async function proveHost(http: GatewayHttp, origin: string): Promise<ProvenHost> {
  const nonce = randomBytes(24).toString('base64url');
  const { host, hostname } = new URL(origin);
  const { status, json } = await http.ask(origin, { path: `/.postern/proof?nonce=${nonce}` });
  if (status !== 200 || typeof json['proof'] !== 'string') {
    throw notAGateway(host, `it does not prove to be one (status ${status})`);
  }
  try {
    return await check(json['proof'], nonce, hostname);
  } catch (cause) {
    throw notAGateway(host, `its proof does not hold: ${quoteForeign(messageOf(cause))}`, cause);
  }
}

async function check(proof: string, nonce: string, hostname: string): Promise<ProvenHost> {
  const { payload, protectedHeader } = await compactVerify(proof, EmbeddedJWK, {
    algorithms: ['ES256'],
  });
  const claims: unknown = JSON.parse(Buffer.from(payload).toString());
  const { iss, nonce: signed, host, keys }: Partial<Record<string, unknown>> = Object(claims);
  if (protectedHeader.typ !== 'postern-proof+jwt') throw new Error('it is no proof');
  if (signed !== nonce) throw new Error('it is for another request');
  if (bare(String(host)) !== bare(hostname))
    throw new Error(`it is for the host "${String(host)}"`);
  if (typeof iss !== 'string' || !isGatewayOrigin(iss)) throw new Error('it names no gateway');
  if (protectedHeader.jwk === undefined) throw new Error('it names no key');
  const key = await calculateJwkThumbprint(protectedHeader.jwk);
  if (!Array.isArray(keys) || !keys.every(isThumbprint) || !keys.includes(key)) {
    throw new Error('it does not name its keys');
  }
  return { gateway: iss, key, keys };
}

/** Without the brackets of IPv6. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').toLowerCase();
}
