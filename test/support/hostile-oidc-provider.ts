/**
 * An OpenID provider that does what it is told, also what no provider should: a real HTTP server with keys of its own.
 *
 * It behaves until a switch is set. `visit` is the user at its login page: it takes the address to which the gateway led the browser and
 * gives the address to which the provider leads it back.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

import { currentScope } from './cleanup.ts';

type Claims = Record<string, unknown>;

/** What it does differently. Each is undone by deleting it. */
export interface Malformations {
  /** Changes the metadata. */
  metadata?: (metadata: Claims) => Claims;
  /** Changes the claims of ID tokens. */
  claims?: (claims: Claims) => Claims;
  /** Changes the header of ID tokens. */
  header?: (header: Claims) => Claims;
  /** Makes the ID token from header and claims, instead of the provider's key. */
  sign?: (header: Claims, claims: Claims) => Promise<string> | string;
  /** Changes the answer of the token endpoint. */
  tokens?: (answer: Claims) => Claims;
  /** Changes what UserInfo says. */
  userInfo?: (claims: Claims) => Claims;
  /** Changes the query with which the browser comes back. */
  callback?: (query: URLSearchParams) => void;
  /** Answers requests itself; true when it has. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Accepts codes without looking at PKCE's verifier. */
  ignoresPkce?: boolean;
}

interface Grant {
  readonly nonce: string | undefined;
  readonly challenge: string | undefined;
  readonly redirectUri: string;
}

export interface TokenRequest {
  readonly fields: URLSearchParams;
  readonly authorization: string | undefined;
}

export class HostileOidcProvider {
  readonly clientId: string;
  malform: Malformations = {};
  /** Who signs in. */
  user: Claims = {
    sub: 'user-1',
    email: 'ann@example.com',
    email_verified: true,
    name: 'Ann',
    groups: ['staff'],
    amr: ['pwd'],
  };
  readonly tokenRequests: TokenRequest[] = [];
  /** Addresses the browser was led to. */
  readonly authorizations: URL[] = [];
  jwksRequests = 0;
  metadataRequests = 0;
  keys: { kid: string; privateKey: CryptoKey; jwk: JWK }[] = [];
  readonly #server: Server;
  readonly #grants = new Map<string, Grant>();
  #refreshToken = '';

  private constructor(server: Server, clientId: string) {
    this.#server = server;
    this.clientId = clientId;
  }

  static async start(clientId = 'postern'): Promise<HostileOidcProvider> {
    const server = createServer();
    const provider = new HostileOidcProvider(server, clientId);
    await provider.addKey('key-1');
    server.on('request', (request, response) => void provider.#serve(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    currentScope().add(() => provider.stop());
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The address of its login page. */
  get loginUrl(): string {
    return `${this.issuer}/auth`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Adds a key; tokens are signed with the newest. */
  async addKey(kid: string, alg = 'RS256'): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
    this.keys.unshift({ kid, privateKey, jwk });
  }

  /** The user signs in at the provider: takes the address the browser was led to, gives the one it is led back to. */
  visit(location: string | undefined): string {
    const url = new URL(location ?? '');
    this.authorizations.push(url);
    const code = randomBytes(16).toString('base64url');
    const redirectUri = url.searchParams.get('redirect_uri') ?? '';
    this.#grants.set(code, {
      nonce: url.searchParams.get('nonce') ?? undefined,
      challenge: url.searchParams.get('code_challenge') ?? undefined,
      redirectUri,
    });
    const query = new URLSearchParams({ code, iss: this.issuer });
    query.set('state', url.searchParams.get('state') ?? '');
    this.malform.callback?.(query);
    return `${redirectUri}?${query.toString()}`;
  }

  /** A token signed with the provider's newest key, or with what `malform.sign` says. */
  async sign(claims: Claims, header: Claims = {}): Promise<string> {
    const [key] = this.keys;
    if (key === undefined) throw new Error('Cannot sign: no key');
    const full = this.malform.header?.({ alg: key.jwk.alg, kid: key.kid, ...header }) ?? {
      alg: key.jwk.alg,
      kid: key.kid,
      ...header,
    };
    if (this.malform.sign !== undefined) return this.malform.sign(full, claims);
    return new SignJWT(claims).setProtectedHeader(full as { alg: string }).sign(key.privateKey);
  }

  /** A well-formed logout token; `change` spoils it. */
  async logoutToken(change: Claims = {}, header: Claims = { typ: 'logout+jwt' }): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return this.sign(
      {
        iss: this.issuer,
        aud: this.clientId,
        iat: now,
        exp: now + 120,
        jti: randomBytes(8).toString('hex'),
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        sub: this.user['sub'],
        ...change,
      },
      header,
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { pathname } = new URL(request.url ?? '/', this.issuer);
    if (pathname === '/jwks') this.jwksRequests += 1;
    if (pathname === '/.well-known/openid-configuration') this.metadataRequests += 1;
    if (this.malform.answer?.(request, response) === true) return;
    const answer = await this.#answer(pathname, request, body);
    const status = answer === undefined ? 404 : 'error' in answer ? 400 : 200;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  }

  async #answer(
    pathname: string,
    request: IncomingMessage,
    body: string,
  ): Promise<Claims | undefined> {
    if (pathname === '/.well-known/openid-configuration') {
      const metadata = this.#metadata();
      return this.malform.metadata?.(metadata) ?? metadata;
    }
    if (pathname === '/jwks') return { keys: this.keys.map(({ jwk }) => jwk) };
    if (pathname === '/userinfo') return this.malform.userInfo?.(this.user) ?? this.user;
    if (pathname !== '/token') return undefined;
    const fields = new URLSearchParams(body);
    this.tokenRequests.push({ fields, authorization: request.headers.authorization });
    const answer = await this.#tokens(fields);
    return 'error' in answer ? answer : (this.malform.tokens?.(answer) ?? answer);
  }

  async #tokens(fields: URLSearchParams): Promise<Claims> {
    let nonce: string | undefined;
    if (fields.get('grant_type') === 'refresh_token') {
      if (fields.get('refresh_token') !== this.#refreshToken) return { error: 'invalid_grant' };
    } else {
      const grant = this.#grants.get(fields.get('code') ?? '');
      this.#grants.delete(fields.get('code') ?? '');
      if (grant === undefined || grant.redirectUri !== fields.get('redirect_uri')) {
        return { error: 'invalid_grant' };
      }
      const verifier = fields.get('code_verifier') ?? '';
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      if (this.malform.ignoresPkce !== true && challenge !== grant.challenge) {
        return { error: 'invalid_grant' };
      }
      nonce = grant.nonce;
    }
    // Rotated each time; the second use of one is theft.
    this.#refreshToken = `refresh-${randomBytes(12).toString('base64url')}`;
    return {
      access_token: `access-${randomBytes(12).toString('base64url')}`,
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: this.#refreshToken,
      id_token: await this.#idToken(nonce),
    };
  }

  async #idToken(nonce: string | undefined): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: this.issuer,
      aud: this.clientId,
      iat: now,
      exp: now + 300,
      sid: 'provider-session-1',
      ...(nonce !== undefined && { nonce }),
      ...this.user,
    };
    return this.sign(this.malform.claims?.(claims) ?? claims);
  }

  #metadata(): Claims {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: this.loginUrl,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      jwks_uri: `${issuer}/jwks`,
      end_session_endpoint: `${issuer}/logout`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    };
  }
}
