/**
 * What SignIn and the ways to sign in owe each other: one flow per configured identity provider, and the host that flows are
 * given.
 *
 * A flow turns what a provider says into an identity. The host keeps what must not differ between providers: transactions that are
 * used once and belong to one browser, sessions, audit events and the pages of failure.
 */

import type { Identity } from '../identity.ts';

import type { WebRequest, WebResponse } from '../web-message.ts';
import type { LoginFailure } from './login-failure.ts';
import type { ProviderState, Session } from './sign-in-ports.ts';

/** A way to sign in. */
export interface ProviderFlow {
  /** Id of the identity provider in the configuration. */
  readonly id: string;
  /** What the chooser calls it. */
  readonly label: string;
  readonly type: 'oidc' | 'saml' | 'local';
  /** How often `refresh` is asked while a session is used, ms; absent for flows without it. */
  readonly refreshIntervalMs?: number;
  /** Begins a sign-in: leads to the provider, or shows a form. */
  start(login: StartedLogin, host: FlowHost): Promise<WebResponse>;
  /** Answers `/.postern/<type>/<id>/<rest>`. */
  handle(request: WebRequest, rest: string, host: FlowHost): Promise<WebResponse>;
  /** Where the browser goes to end the provider's own session too; undefined when there is no such place. */
  logout?(session: Session): Promise<WebResponse | undefined>;
  /**
   * Asks the provider again who this is; the same objects where there is nothing to ask with. `ended`: the provider no longer knows
   * them. Rejects when it cannot be asked now.
   */
  refresh?(session: Session): Promise<RefreshedLogin | 'ended'>;
}

/** A sign-in that begins. */
export interface StartedLogin {
  /** Where to go afterwards; tickets.ts. */
  readonly ticket: string;
  readonly request: WebRequest;
}

/** Who somebody is, and what the flow has to remember for later. */
export interface RefreshedLogin {
  readonly identity: Identity;
  readonly provider: ProviderState;
}

/** What a flow is given. */
export interface FlowHost {
  /**
   * Begins a transaction: used once, within LIMITS.loginMs, by this browser only. The reference goes to the provider (`state`,
   * RelayState), the cookie to the browser. `crossSite`: the answer comes as a form from another site, so its cookie must
   * travel with that. Rejects with STORE_LIMIT when too many are open.
   */
  begin(request: WebRequest, login: OpenLogin): Promise<{ reference: string; setCookie: string }>;
  /** Takes a transaction, atomically; undefined when there is none, it is over, or it began elsewhere: refuse then. */
  finish(
    request: WebRequest,
    reference: string,
  ): Promise<{ ticket: string; state: ProviderState } | undefined>;
  /** Makes the session, writes the audit event and goes on to where the ticket leads. */
  signedIn(request: WebRequest, ticket: string, login: RefreshedLogin): Promise<WebResponse>;
  /** Shows a page that says nothing, and writes the audit event that says all. */
  failed(request: WebRequest, reason: LoginFailure, detail: string): Promise<WebResponse>;
  /** Counts against the address of a request that was refused without being a sign-in. */
  charge(request: WebRequest): void;
  /** Only the audit event of a failure, for a flow that shows its form again. */
  auditFailure(request: WebRequest, reason: LoginFailure, detail: string): Promise<void>;
}

/** What a transaction remembers. */
export interface OpenLogin {
  readonly ticket: string;
  /** Of the flow alone: nonce, PKCE verifier, request id. Kept on the server. */
  readonly state: ProviderState;
  readonly crossSite?: boolean;
}
