/**
 * Certificates on request: `POST /.postern/ssh/certificate` on the auth host with `{"hostname", "publicKey"}`.
 *
 * One is made for whom the policies of the application let in at this moment, for its user names only, and ends with the
 * session at the latest. Each is in the audit log before it is handed out. Nobody is told which rule kept them out.
 * docs/access.md "SSH".
 */
import { randomBytes } from 'node:crypto';
import type { Application } from '../../config/access/application.ts';
import type { SshAccess } from '../../config/access/ssh-access.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, hasCode } from '../../core/error.ts';
import { parseRouteHostname } from '../../core/route-hostname.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { jsonAnswer, jsonFields, jsonProblem } from '../client-sign-in/json-answer.ts';
import type { Gate, Verdict } from '../gate.ts';
import { displayName } from '../pages/display-name.ts';
import type { ServiceTokens, VerifiedServiceToken } from '../service-tokens.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { AddressLimit } from '../sign-in/address-limit.ts';
import type { Session, WriteAudit } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { principalsFor, servicePrincipalsFor } from './principals.ts';
import type { SshAuthority } from './ssh-authority.ts';
import { parseSshPublicKey, sshFingerprint, type SshPublicKey } from './ssh-public-key.ts';
import { signUserCertificate, type UserCertificate } from './user-certificate.ts';

/** Somebody who can have a certificate. */
type Requester =
  | { readonly session: Session; readonly serviceToken?: undefined }
  | { readonly serviceToken: VerifiedServiceToken; readonly session?: undefined };

/** What certificates need from the rest of the gateway. */
export interface SshCertificatesOptions {
  readonly authority: SshAuthority;
  readonly sessions: Pick<Sessions, 'verify'>;
  readonly serviceTokens: Pick<ServiceTokens, 'verify'>;
  /** Writes down what it refuses. */
  readonly gate: Pick<Gate, 'judge'>;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
}

const CERTIFICATE_PATH = '/.postern/ssh/certificate';
const AUTHORITIES_PATH = '/.postern/ssh/authorities';
/** Clocks of machines differ; a certificate that is valid from now on is not valid yet on some of them, seconds. */
const BACKDATED_S = 30;

export class SshCertificates {
  readonly #options: SshCertificatesOptions;
  /** By address for what fails. */
  readonly #failures: AddressLimit;
  /** By session or service token for what succeeds: each certificate is an audit event. */
  readonly #issued: AddressLimit;

  constructor(options: SshCertificatesOptions) {
    this.#options = options;
    this.#failures = new AddressLimit(options.clock);
    this.#issued = new AddressLimit(options.clock);
  }

  /** Answers any request below `/.postern/ssh/` on the auth host. Never rejects. */
  async handle(request: WebRequest): Promise<WebResponse> {
    try {
      const { method, path } = request;
      if (path === AUTHORITIES_PATH && method === 'GET') return await this.#authorities();
      if (path !== CERTIFICATE_PATH) return jsonProblem(404, 'ROUTE_NOT_FOUND', request);
      if (method !== 'POST') return jsonProblem(405, 'HTTP_METHOD', request, [['allow', 'POST']]);
      if (!this.#failures.allows(request.address)) return tooMany(request);
      const response = await this.#certificate(request);
      // That there are none here is no failure of who asks.
      if (response.status >= 400 && response.status !== 404) {
        this.#failures.charge(request.address);
      }
      return response;
    } catch (err) {
      const fields = { [FIELD.request]: request.requestId, [FIELD.err]: err };
      this.#options.log.error(fields, 'an SSH certificate could not be made');
      const isBusy = hasCode(err, 'STORE_BUSY');
      return jsonProblem(isBusy ? 503 : 500, isBusy ? 'STORE_BUSY' : 'HTTP_INTERNAL', request);
    }
  }

  /** What sshd must trust, for machines that fetch it. Public. */
  async #authorities(): Promise<WebResponse> {
    const keys = await this.#options.authority.publicKeys();
    return {
      status: 200,
      headers: [
        ['content-type', 'text/plain; charset=utf-8'],
        ['x-content-type-options', 'nosniff'],
        ['cache-control', 'no-cache'],
      ],
      body: keys.map(({ line }) => `${line}\n`).join(''),
    };
  }

  async #certificate(request: WebRequest): Promise<WebResponse> {
    const requester = await this.#identify(request);
    if (requester === undefined) {
      return jsonProblem(401, 'ACCESS_SIGN_IN', request, [['www-authenticate', 'Bearer']]);
    }
    const fields = jsonFields(request);
    const hostname = parseRouteHostname(fields?.get('hostname') ?? '');
    if (hostname === undefined || hostname.startsWith('*')) {
      return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    }
    const verdict = this.#judge(request, requester, hostname);
    const { application } = verdict;
    if (verdict.outcome !== 'allow') return jsonProblem(403, 'ACCESS_DENIED', request);
    if (application?.ssh === undefined) return jsonProblem(404, 'ACCESS_SSH_OFF', request);
    const key = readKey(fields?.get('publicKey') ?? '');
    if (key === undefined) return jsonProblem(400, 'ACCESS_SSH_KEY', request);
    const names = principalsOf(requester, application.ssh);
    if (names.length === 0) return jsonProblem(403, 'ACCESS_SSH_PRINCIPAL', request);
    if (!this.#issued.charge((requester.session ?? requester.serviceToken).id))
      return tooMany(request);
    const certificate = this.#describe(request, requester, {
      key,
      rules: application.ssh,
      endsAt: verdict.endsAt,
      // The second form is for machines that take only certificates made for them: docs/access.md "SSH".
      principals: [...names, ...names.map((name) => `${name}@${hostname}`)],
    });
    return this.#issue(request, { hostname, requester, application, certificate });
  }

  /** By the secret of a client session, else by a service token. */
  async #identify(request: WebRequest): Promise<Requester | undefined> {
    const { sessions, serviceTokens } = this.#options;
    const secret = /^Bearer (pcl_[\w-]{20,200})$/.exec(request.header('authorization') ?? '')?.[1];
    if (secret !== undefined) {
      const session = await sessions.verify(secret);
      return session?.kind === 'client' ? { session } : undefined;
    }
    const id = request.header('postern-service-token-id') ?? '';
    const serviceToken = serviceTokens.verify(
      id,
      request.header('postern-service-token-secret') ?? '',
    );
    return serviceToken === undefined ? undefined : { serviceToken };
  }

  /** As for a TCP stream: a certificate is for one. */
  #judge({ address }: WebRequest, principal: Requester, hostname: string): Verdict {
    return this.#options.gate.judge({ hostname, path: '', principal, address });
  }

  #describe(
    request: WebRequest,
    requester: Requester,
    wanted: {
      readonly key: SshPublicKey;
      readonly rules: SshAccess;
      readonly endsAt: number;
      readonly principals: readonly string[];
    },
  ): UserCertificate {
    const { key, rules, principals } = wanted;
    const now = this.#options.clock.wall();
    const { expiresAt } = requester.session ?? requester.serviceToken;
    const end = Math.min(now + rules.maxValidityMs, wanted.endsAt, expiresAt);
    const { sourceAddresses, extensions } = rules;
    return {
      key,
      serial: randomBytes(8).readBigUInt64BE(),
      keyId: keyId(request, requester),
      principals,
      validAfter: Math.floor(now / 1000) - BACKDATED_S,
      validBefore: Math.floor(end / 1000),
      criticalOptions:
        sourceAddresses.length === 0 ? {} : { 'source-address': sourceAddresses.join(',') },
      extensions,
    };
  }

  async #issue(
    request: WebRequest,
    made: {
      readonly hostname: string;
      readonly requester: Requester;
      readonly application: Application;
      readonly certificate: UserCertificate;
    },
  ): Promise<WebResponse> {
    const { hostname, requester, application, certificate } = made;
    const { principals, serial, validBefore, validAfter, key } = certificate;
    const line = signUserCertificate(certificate, await this.#options.authority.signingKey());
    const [validFrom, validUntil] = [validAfter, validBefore].map((s) => new Date(s * 1000));
    const expiresAt = validBefore * 1000;
    await this.#options.audit({
      type: 'ssh.certificate',
      actor: actorOf(requester),
      hostname,
      detail: {
        application: application.name,
        principals: principals.join(','),
        serial: serial.toString(),
        validFrom: validFrom?.toISOString() ?? '',
        validUntil: validUntil?.toISOString() ?? '',
        key: sshFingerprint(key.blob),
        ...(requester.session === undefined
          ? { serviceToken: requester.serviceToken.id }
          : { session: requester.session.id }),
        address: request.address,
        requestId: request.requestId,
      },
    });
    return jsonAnswer(200, { certificate: line, principals, expiresAt, serial: serial.toString() });
  }
}

function readKey(line: string): SshPublicKey | undefined {
  try {
    return parseSshPublicKey(line);
  } catch (error) {
    if (codeOf(error) === 'ACCESS_SSH_KEY') return undefined;
    throw error;
  }
}

function principalsOf({ session, serviceToken }: Requester, { principals }: SshAccess): string[] {
  return session === undefined
    ? servicePrincipalsFor(serviceToken, principals)
    : principalsFor(session.identity, principals);
}

/** What sshd writes into its log at a login: plain ASCII on one line, whatever a provider says somebody's name is. */
function keyId(request: WebRequest, requester: Requester): string {
  const session = requester.session === undefined ? '' : ` session ${requester.session.id}`;
  const name = actorOf(requester)
    .replaceAll(/[^\x21-\x7e]/g, '?')
    .slice(0, 128);
  return `${name}${session} request ${request.requestId}`;
}

function actorOf({ session, serviceToken }: Requester): string {
  return session === undefined ? `service:${serviceToken.name}` : displayName(session.identity);
}

function tooMany(request: WebRequest): WebResponse {
  return jsonProblem(429, 'ACCESS_TOO_MANY', request, [['retry-after', '60']]);
}
