/**
 * Whom a dialling side trusts: the authorities of the system, those of NODE_EXTRA_CA_CERTS, and an extra one.
 *
 * Building a trust store of 150 authorities costs some 10 ms, and links are dialled in bursts after an outage, so a
 * store is kept for each extra authority. TLS sessions are kept beside it: a session proves nothing under other trust.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { PosternError } from '../../core/error.ts';

/** Trust stores kept. A process has one or two; the bound is for tests and mistakes. */
const STORES = 8;
/** Gateways whose last TLS session is kept, for each store. */
const SESSIONS = 64;

export interface GatewayTrust {
  readonly context: SecureContext;
  /** The last TLS session by `host:port`. Resuming one saves the gateway a signature. */
  readonly sessions: SessionCache;
}

const stores = new Map<string, GatewayTrust>();

/**
 * The trust for links, with `ca` (PEM, one or several certificates) added to the usual authorities.
 * Throws CONFIG_TLS when `ca` is no certificate.
 */
export function gatewayTrust(ca?: string | Buffer): GatewayTrust {
  const key = ca === undefined ? '' : createHash('sha256').update(ca).digest('base64');
  const known = stores.get(key);
  if (known !== undefined) return known;
  const oldest = stores.keys().next().value;
  if (stores.size >= STORES && oldest !== undefined) stores.delete(oldest);
  const trust = { context: contextFor(ca), sessions: new SessionCache() };
  stores.set(key, trust);
  return trust;
}

/** TLS sessions by name, a bounded number of them. */
class SessionCache {
  readonly #sessions = new Map<string, Buffer>();

  get(name: string): Buffer | undefined {
    return this.#sessions.get(name);
  }

  set(name: string, session: Buffer): void {
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    const oldest = this.#sessions.keys().next().value;
    if (this.#sessions.size > SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }
}

function contextFor(ca: string | Buffer | undefined): SecureContext {
  const floor = { minVersion: 'TLSv1.2' } as const;
  // Without `ca` Node itself takes the default store, which includes NODE_EXTRA_CA_CERTS.
  if (ca === undefined) return createSecureContext(floor);
  try {
    return createSecureContext({ ...floor, ca: [...rootCertificates, ...extraCa(), asPem(ca)] });
  } catch (cause) {
    const sentence = 'Cannot trust the authority in "ca": it is not a certificate in PEM';
    throw new PosternError('CONFIG_TLS', sentence, { cause });
  }
}

/** OpenSSL skips over what is no certificate, and every link would then fail as if `ca` had not been given. */
function asPem(ca: string | Buffer): string {
  const pem = ca.toString();
  const { subject } = new X509Certificate(pem);
  if (subject === undefined) throw new TypeError('The certificate has no subject');
  return pem;
}

/** Naming any `ca` makes Node forget NODE_EXTRA_CA_CERTS. */
function extraCa(): string[] {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (file === undefined || file === '') return [];
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    return []; // Node has warned about it when it started.
  }
}
