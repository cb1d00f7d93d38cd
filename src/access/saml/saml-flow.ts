/**
 * One SAML identity provider as a way to sign in: `/.postern/saml/<id>/{metadata,acs,slo}`. docs/access.md "SAML".
 *
 * What a message says is judged by verify-response.ts and logout-message.ts; here is what happens next. A user who is refused
 * sees a page that says nothing; the audit log gets the code and the reason.
 */
import type { Clock } from '../../core/clock.ts';
import { codeOf, messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { SamlProvider } from '../../config/access/identity-provider.ts';
import { problemPage } from '../pages/problem-page.ts';
import { redirect } from '../pages/redirect.ts';
import type { LoginFailure } from '../sign-in/login-failure.ts';
import type { FlowHost, ProviderFlow, StartedLogin } from '../sign-in/provider-flow.ts';
import type { OutsideAddress, Session } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { identityOf } from './assertion-identity.ts';
import { refused } from './check-assertion.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import { readPosted, readRedirected } from './logout-message.ts';
import type { LogoutMessage, LogoutRequest } from './logout-message.ts';
import { formFields, fromBase64 } from './saml-message.ts';
import type { SamlPorts } from './saml-ports.ts';
import {
  authnRequestUrl,
  logoutRequestUrl,
  logoutResponseUrl,
  newMessageId,
} from './saml-requests.ts';
import type { Correspondents } from './saml-requests.ts';
import { isNamedIn, nameIdIn, sessionStateOf } from './saml-session.ts';
import { spAddresses } from './sp-addresses.ts';
import type { SpAddresses } from './sp-addresses.ts';
import type { SpKey, SpKeys } from './sp-keys.ts';
import { spMetadata } from './sp-metadata.ts';
import { verifyResponse } from './verify-response.ts';
import { malformed } from './xml-tree.ts';

/** A SAML provider of the configuration, and what its metadata says. */
export interface KnownProvider {
  readonly provider: SamlProvider;
  readonly idp: IdpMetadata;
  /** Where people land whom the IdP sends unasked; undefined: on the page of the auth host that says who they are. */
  readonly landingHostname?: string | undefined;
}

export interface SamlFlowOptions extends KnownProvider {
  readonly keys: SpKeys;
  readonly address: OutsideAddress;
  readonly ports: SamlPorts;
  readonly clock: Clock;
}

export class SamlFlow implements ProviderFlow {
  readonly id: string;
  readonly label: string;
  readonly type = 'saml';
  readonly #options: SamlFlowOptions;

  constructor(options: SamlFlowOptions) {
    this.#options = options;
    this.id = options.provider.id;
    this.label = options.provider.name;
  }

  async start({ ticket, request }: StartedLogin, host: FlowHost): Promise<WebResponse> {
    const id = newMessageId();
    const { reference, setCookie } = await host.begin(request, {
      ticket,
      state: { requestId: id },
      crossSite: true,
    });
    const isSigned = this.#options.provider.signRequests;
    const url = await authnRequestUrl(this.#parties, { id, relayState: reference, isSigned });
    return redirect(url, [['set-cookie', setCookie]]);
  }

  async handle(request: WebRequest, rest: string, host: FlowHost): Promise<WebResponse> {
    const { method, body } = request;
    if (body.length > LIMITS.samlBodyBytes) return tooLarge(request);
    const isVisit = method === 'GET' || method === 'HEAD';
    if (rest === 'metadata' && isVisit) return this.#metadata();
    if (rest === 'landing' && isVisit) return redirect(this.#landingUrl);
    if (rest === 'acs' && method === 'POST') {
      return this.#refusing(request, host, async () => this.#consume(request, host));
    }
    if (rest === 'slo' && (isVisit || method === 'POST')) {
      return this.#refusing(request, host, async () => this.#logout(request, host));
    }
    return nothingHere(request);
  }

  async logout(session: Session): Promise<WebResponse | undefined> {
    const { idp, ports } = this.#options;
    const named = nameIdIn(session);
    if (idp.logoutUrl === undefined || named === undefined) return undefined;
    const id = newMessageId();
    await ports.rows.put('saml-request', this.#key('ours', id), {}, this.#laterBy(LIMITS.loginMs));
    return redirect(await logoutRequestUrl(this.#parties, { id, ...named }));
  }

  get #addresses(): SpAddresses {
    const { provider } = this.#options;
    return spAddresses(this.#authOrigin, provider.id, provider.entityId);
  }

  /** Asked at each use: a port may be known only after listening. */
  get #authOrigin(): string {
    const { address } = this.#options;
    return address.origin(address.authHost);
  }

  get #landingUrl(): string {
    const { address, landingHostname } = this.#options;
    return `${address.origin(landingHostname ?? address.authHost)}/`;
  }

  get #parties(): Correspondents {
    const { idp, keys } = this.#options;
    const { privateKey: signingKey } = keys.signing.at(-1) as SpKey;
    return { idp, addresses: this.#addresses, signingKey };
  }

  #metadata(): WebResponse {
    const { keys, provider } = this.#options;
    const xml = spMetadata({
      addresses: this.#addresses,
      signingCertificates: keys.signing.map(({ certificate }) => certificate),
      encryptionCertificates:
        provider.encryptedAssertions === 'refuse'
          ? []
          : keys.encryption.map(({ certificate }) => certificate),
      signsRequests: provider.signRequests,
      wantsSignedAssertions: provider.wantSigned !== 'response',
    });
    const headers = [
      ['content-type', 'application/samlmetadata+xml'],
      ['cache-control', 'no-store'],
      ['x-content-type-options', 'nosniff'],
    ] as const;
    return { status: 200, headers, body: xml };
  }

  /** The assertion consumer service. */
  async #consume(request: WebRequest, host: FlowHost): Promise<WebResponse> {
    const { provider, idp, keys, ports, clock } = this.#options;
    const { SAMLResponse: message, RelayState: reference } = formFields(request.body);
    if (message === undefined) throw malformed('there is no SAMLResponse');
    // Taken before anything is verified: whatever comes of it, it is not used again (cases S26, S28).
    const login = reference === undefined ? undefined : await host.finish(request, reference);
    const ticket = login?.ticket ?? this.#landingTicket();
    if (ticket === undefined) {
      return host.failed(request, 'state', 'SAML response without a sign-in of this browser');
    }
    const { assertion, rememberUntil } = await verifyResponse(
      fromBase64(message),
      {
        certificates: idp.signingCertificates,
        decryptionKeys: keys.encryption.map(({ privateKey }) => privateKey),
        wantSigned: provider.wantSigned,
        encryptedAssertions: provider.encryptedAssertions,
      },
      {
        issuer: idp.entityId,
        audience: this.#addresses.entityId,
        recipient: this.#addresses.acs,
        requestId: login === undefined ? undefined : String(login.state['requestId']),
        now: clock.wall(),
        clockSkewMs: provider.clockSkewMs,
      },
    );
    const key = this.#key('assertion', assertion.id);
    if (!(await ports.rows.claim('saml-assertion', key, rememberUntil))) {
      throw refused('the assertion was used before');
    }
    const identity = identityOf(provider.id, assertion, provider.attributes);
    return host.signedIn(request, ticket, { identity, provider: sessionStateOf(assertion) });
  }

  /** Where people go whom the IdP sends unasked; undefined where that is not allowed (case S30). */
  #landingTicket(): string | undefined {
    const { provider, ports } = this.#options;
    if (provider.idpInitiated === undefined) return undefined;
    return ports.ticketTo(`/.postern/saml/${this.id}/landing`);
  }

  /** Single logout, the IdP's requests and its answers to ours. */
  async #logout(request: WebRequest, host: FlowHost): Promise<WebResponse> {
    const { idp, ports, provider, clock } = this.#options;
    const expected = {
      certificates: idp.signingCertificates,
      issuer: idp.entityId,
      destination: this.#addresses.logout,
      now: clock.wall(),
      clockSkewMs: provider.clockSkewMs,
    };
    const message: LogoutMessage =
      request.method === 'POST'
        ? readPosted(request.body, expected)
        : readRedirected(request.search, expected);
    if (message.kind === 'request') return this.#endSessions(message);
    const key = this.#key('ours', message.inResponseTo);
    const sent = await ports.rows.take('saml-request', key);
    if (sent === undefined) throw refused('it answers no request of ours');
    const { problem } = message;
    if (problem !== undefined) await host.auditFailure(request, 'provider-refused', problem);
    // Whatever became of it there: here they are signed out.
    return redirect(`${this.#authOrigin}/.postern/signed-out`);
  }

  async #endSessions(message: LogoutRequest): Promise<WebResponse> {
    const { idp, ports, provider } = this.#options;
    const until = this.#laterBy(LIMITS.samlUnsolicitedMs + 2 * provider.clockSkewMs);
    const key = this.#key('theirs', message.id);
    if (!(await ports.rows.claim('saml-request', key, until))) {
      throw refused('it was used before');
    }
    await ports.endSessions(
      (session) => isNamedIn(session, provider.id, message),
      'signed out at the identity provider',
    );
    const { id: inResponseTo, relayState } = message;
    if (idp.logoutResponseUrl === undefined) {
      return redirect(`${this.#authOrigin}/.postern/signed-out`);
    }
    return redirect(await logoutResponseUrl(this.#parties, { inResponseTo, relayState }));
  }

  async #refusing(
    request: WebRequest,
    host: FlowHost,
    answer: () => Promise<WebResponse>,
  ): Promise<WebResponse> {
    try {
      return await answer();
    } catch (error) {
      const code = codeOf(error) ?? '';
      if (!code.startsWith('ACCESS_SAML_')) throw error;
      return host.failed(request, failureOf(code), `${code}: ${messageOf(error)}`);
    }
  }

  #key(what: string, id: string): string {
    return `${this.id} ${what} ${id}`;
  }

  #laterBy(ms: number): number {
    return this.#options.clock.wall() + ms;
  }
}

function failureOf(code: string): LoginFailure {
  if (code === 'ACCESS_SAML_STATUS') return 'provider-refused';
  return code === 'ACCESS_SAML_IDENTITY' ? 'identity' : 'invalid-response';
}

function tooLarge({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 413,
    title: 'Too large',
    text: 'What your identity provider sent is larger than is accepted here.',
    code: 'HTTP_BODY_TOO_LARGE',
    requestId,
  });
}

function nothingHere({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 404,
    title: 'Nothing here',
    text: 'This address belongs to sign-in, and there is nothing behind it.',
    code: 'ROUTE_NOT_FOUND',
    requestId,
  });
}
