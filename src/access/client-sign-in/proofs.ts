/**
 * `/.postern/proof` on every host of the gateway: says, signed with the gateway's key, that this host is the gateway's.
 *
 * A client sends no token anywhere before (case L2). The proof names the host as it was asked for, so one that another server
 * fetches and passes on is of no use to it: it does not name that server. Hosts that are not ours get none. No limit per address:
 * a signature costs less than the TLS handshake before it.
 */
import { isLoopback } from '../../core/loopback.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { jsonAnswer, jsonProblem } from './json-answer.ts';

/** What a proof says. */
export interface ProofClaims {
  /** Origin of the auth host. */
  readonly iss: string;
  /** As the client made it. */
  readonly nonce: string;
  /** Without a port. */
  readonly host: string;
  /** Name of the application at this host, where there is one. */
  readonly aud?: string;
  /** Thumbprints (RFC 7638) of the keys in the JWKS: a client that knows one learns the others, so keys can be replaced. */
  readonly keys: readonly string[];
}

export interface ProofsOptions {
  readonly domain: string;
  /** Origin of the auth host, from the configuration. Asked each time: its port may be known late. */
  issuer(): string;
  isRouted(hostname: string): boolean;
  /** Name of the application at a hostname. */
  applicationAt(hostname: string): string | undefined;
  /** Of the keys in the JWKS. */
  thumbprints(): Promise<readonly string[]>;
  /** A JWS of type `postern-proof+jwt` with the present time, and the key's public JWK in its header. */
  sign(claims: ProofClaims): Promise<string>;
}

export class Proofs {
  readonly #options: ProofsOptions;

  constructor(options: ProofsOptions) {
    this.#options = options;
  }

  /** Answers `GET /.postern/proof?nonce=…` on any host. */
  async handle(request: WebRequest): Promise<WebResponse> {
    const { method, hostname: host, query } = request;
    const nonce = query.get('nonce') ?? '';
    if (method !== 'GET') return jsonProblem(405, 'HTTP_METHOD', request);
    if (!/^[\w-]{22,128}$/.test(nonce)) return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    if (!this.#isOurs(host)) return jsonProblem(404, 'ROUTE_NOT_FOUND', request);
    const iss = this.#options.issuer();
    const keys = await this.#options.thumbprints();
    const aud = this.#options.applicationAt(host);
    const claims = { iss, nonce, host, keys, ...(aud === undefined ? {} : { aud }) };
    const proof = await this.#options.sign(claims);
    return jsonAnswer(200, { gateway: iss, proof });
  }

  #isOurs(hostname: string): boolean {
    const { domain } = this.#options;
    return (
      hostname === domain ||
      hostname.endsWith(`.${domain}`) ||
      isLoopback(hostname) ||
      this.#options.isRouted(hostname)
    );
  }
}
