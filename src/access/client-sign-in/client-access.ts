/**
 * Client sessions: how one begins, and what its secret is good for.
 *
 * A client session is born of a browser's, for the same person, and lasts from when that person signed in there. Its secret starts
 * with `pcl_`, is shown once, and is worth something at these endpoints and on links only: applications get tokens that are for
 * them alone.
 */
import { LIMITS } from '../../core/limits.ts';
import { parseRouteHostname } from '../../core/route-hostname.ts';
import { displayName } from '../pages/display-name.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import type { ClientDevice } from './client-device.ts';
import type { ClientAsk, ClientSignInPorts } from './client-sign-in-ports.ts';
import { BROWSER_SESSION } from './followed-sessions.ts';
import { jsonAnswer, jsonFields, jsonProblem } from './json-answer.ts';

/** What has been agreed to in a browser. */
export interface ClientGrant {
  /** The browser session of who agreed. */
  readonly sessionId: string;
  readonly device: ClientDevice;
  readonly way: 'loopback' | 'device';
}

export class ClientAccess {
  readonly #ports: ClientSignInPorts;

  constructor(ports: ClientSignInPorts) {
    this.#ports = ports;
  }

  /** Makes the client session; undefined when the browser's is over by now. */
  async begin(request: WebRequest, grant: ClientGrant): Promise<WebResponse | undefined> {
    const { sessions, audit } = this.#ports;
    const parent = await sessions.find(grant.sessionId);
    if (parent === undefined || !this.#isAlive(parent)) return undefined;
    const { identity, authenticatedAt } = parent;
    // Two that use one refresh token in turn are a theft to many providers.
    const { refreshToken: _, ...state } = parent.provider;
    const provider = { ...state, [BROWSER_SESSION]: parent.id };
    const { session, secret } = await sessions.create({
      kind: 'client',
      identity,
      provider,
      address: request.address,
      agent: `${grant.device.command} on ${grant.device.device}`,
      authenticatedAt,
    });
    await audit({
      type: 'client.login',
      actor: displayName(identity),
      detail: {
        provider: identity.provider,
        subject: identity.subject,
        session: session.id,
        browserSession: parent.id,
        way: grant.way,
        device: grant.device.device,
        address: request.address,
        requestId: request.requestId,
      },
    });
    return jsonAnswer(200, { token: secret, ...(await this.#describe(session)) });
  }

  /** The client session whose secret the request carries, or undefined. */
  async session(request: WebRequest): Promise<Session | undefined> {
    const secret = /^Bearer (pcl_[\w-]{20,200})$/.exec(request.header('authorization') ?? '')?.[1];
    if (secret === undefined) return undefined;
    const session = await this.#ports.sessions.verify(secret);
    return session?.kind === 'client' && this.#isAlive(session) ? session : undefined;
  }

  /** Who one is. */
  async whoami(session: Session): Promise<WebResponse> {
    const { provider, groups } = session.identity;
    return jsonAnswer(200, { ...(await this.#describe(session)), provider, groups });
  }

  /** Ends the session. */
  async logout(request: WebRequest, session: Session): Promise<WebResponse> {
    const { sessions, audit } = this.#ports;
    const { identity, id } = session;
    await sessions.revoke(id, 'signed out');
    await audit({
      type: 'logout',
      actor: displayName(identity),
      detail: {
        provider: identity.provider,
        session: id,
        scope: 'client',
        address: request.address,
        requestId: request.requestId,
      },
    });
    return jsonAnswer(200, {});
  }

  /** A token for the one application at a hostname and path, if its policies allow it. */
  async appToken(request: WebRequest, session: Session): Promise<WebResponse> {
    const fields = jsonFields(request);
    const ask = this.#ask(request, fields?.get('hostname'), fields?.get('path'));
    if (ask === undefined) return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    const asked = { ...ask, session, purpose: purposeOf(fields?.get('purpose')) };
    const verdict = this.#ports.judge(asked);
    // Signed in, but longer ago than the application accepts.
    if (verdict === 'sign-in') return jsonProblem(401, 'ACCESS_SIGN_IN', request);
    if (verdict === 'purpose') return jsonProblem(403, 'ACCESS_PURPOSE', request);
    if (verdict === 'deny') return jsonProblem(403, 'ACCESS_DENIED', request);
    const offline = this.#offline(request, ask.hostname);
    if (offline !== undefined) return offline;
    // Nobody's name goes to an application that asks for none.
    if (verdict === 'open') return jsonAnswer(200, { needs: 'none' });
    const minted = await this.#ports.mint(asked);
    await this.#auditIssue(request, asked, session, minted.application);
    return jsonAnswer(200, { needs: 'sign-in', ...minted });
  }

  /**
   * What somebody without a name needs at `hostname`: nothing, a sign-in, or something that a sign-in would not help with. A
   * browser that goes there learns the same.
   */
  needs(request: WebRequest): WebResponse {
    const { query } = request;
    const ask = this.#ask(request, query.get('hostname'), query.get('path'));
    if (ask === undefined) return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    const verdict = this.#ports.judge(ask);
    if (verdict === 'deny') return jsonAnswer(200, { needs: 'permission' });
    if (verdict !== 'open') return jsonAnswer(200, { needs: 'sign-in' });
    return this.#offline(request, ask.hostname) ?? jsonAnswer(200, { needs: 'none' });
  }

  async #auditIssue(
    { address, requestId }: WebRequest,
    { hostname, purpose }: ClientAsk,
    { identity, id }: Session,
    application: string,
  ): Promise<void> {
    await this.#ports.audit({
      type: 'token.issue',
      actor: displayName(identity),
      hostname,
      detail: {
        application,
        session: id,
        ...(purpose === undefined ? {} : { purpose }),
        address,
        requestId,
      },
    });
  }

  #ask(
    request: WebRequest,
    hostname: string | null | undefined,
    path: string | null | undefined,
  ): ClientAsk | undefined {
    const name = parseRouteHostname(hostname ?? '');
    if (name === undefined || name.startsWith('*')) return undefined;
    return { hostname: name, path: path ?? '', address: request.address };
  }

  /** Told only to those who may go there. */
  #offline(request: WebRequest, hostname: string): WebResponse | undefined {
    const code = this.#ports.unreachable(hostname);
    if (code === undefined) return undefined;
    return jsonProblem(code === 'ROUTE_NOT_FOUND' ? 404 : 503, code, request);
  }

  async #describe(session: Session): Promise<Record<string, unknown>> {
    const { address } = this.#ports;
    const { email, name } = session.identity;
    return {
      gateway: address.origin(address.authHost),
      expiresAt: session.expiresAt,
      email,
      name,
      keys: await this.#ports.thumbprints(),
    };
  }

  #isAlive({ expiresAt }: Session): boolean {
    return expiresAt > this.#ports.clock.wall();
  }
}

/** Text that can stand in a log. */
function purposeOf(text: string | undefined): string | undefined {
  const purpose = text?.trim() ?? '';
  return purpose === '' || purpose.length > LIMITS.auditTextChars ? undefined : purpose;
}
