/**
 * A request and a response as sign-in sees them: plain values, so that nothing in `access` knows a server or a socket.
 *
 * The gateway makes the request after its guard has let it pass, and writes the response as it is. Bodies are read whole
 * and bounded by `LIMITS.signInBodyBytes` before anything here sees them (413 above it).
 */
import type { ClientCertificate } from './identity.ts';

export interface WebRequest {
  readonly method: string;
  /** Normal form, without port. */
  readonly hostname: string;
  /** Raw path, as it was sent, without the query. */
  readonly path: string;
  /** Raw query string without `?`; SAML's redirect binding signs exactly these bytes. */
  readonly search: string;
  readonly query: URLSearchParams;
  /** A header by lower-case name; undefined when absent or repeated. */
  header(name: string): string | undefined;
  /** The first cookie of each name. */
  readonly cookies: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** The user's address, IPv4 written as such. */
  readonly address: string;
  readonly requestId: string;
  readonly clientCertificate?: ClientCertificate | undefined;
}

export interface WebResponse {
  readonly status: number;
  /** Names in lower case; a name may occur several times (`set-cookie`). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Buffer;
}
