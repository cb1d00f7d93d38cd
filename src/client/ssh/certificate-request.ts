/** Asks the gateway for a certificate: docs/access.md "SSH". */
import { PosternError } from '../../core/error.ts';
import type { Pass } from '../sign-in/ensure-credential.ts';
import { notAGateway, type GatewayHttp } from '../sign-in/gateway-http.ts';
import { refusalIn, type RefusalWords } from '../sign-in/refusal-words.ts';

export interface CertificateAsk {
  readonly http: GatewayHttp;
  /** Origin of the auth host, which has proved to be one. */
  readonly gateway: string;
  readonly pass: Pass;
  readonly hostname: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicLine: string;
}

export interface IssuedCertificate {
  /** The line of a certificate file. */
  readonly line: string;
  /** User names that it is for. */
  readonly principals: readonly string[];
}

/** What the gateway refuses with, in words for who asked. */
const REFUSALS: RefusalWords = {
  ACCESS_SIGN_IN: 'you are not signed in, or no longer',
  ACCESS_DENIED: 'you may not use this application',
  ACCESS_SSH_PRINCIPAL: 'the gateway knows no user name for you',
  ACCESS_TOO_MANY: 'too many requests; wait a minute',
};

/** What goes into a file: one line, and nothing that a terminal or a shell would take for more. */
const CERTIFICATE = /^[a-z0-9.@-]{1,64}-cert-v01@openssh\.com [A-Za-z0-9+/]{100,16000}={0,2}$/;

/** The certificate; undefined where the application issues none. Rejects with ACCESS_* and LINK_*. */
export async function requestCertificate(
  ask: CertificateAsk,
): Promise<IssuedCertificate | undefined> {
  const { http, gateway, pass, hostname, publicLine } = ask;
  // Who needs no name there has none to certify.
  if (pass.kind === 'none') return undefined;
  const { status, json } = await http.ask(gateway, {
    method: 'POST',
    path: '/.postern/ssh/certificate',
    headers: credentialHeaders(pass),
    json: { hostname, publicKey: publicLine },
  });
  const { code, certificate, principals } = json;
  if (code === 'ACCESS_SSH_OFF') return undefined;
  if (status !== 200) throw refusal(hostname, status, code);
  if (typeof certificate !== 'string' || !CERTIFICATE.test(certificate)) {
    throw notAGateway(new URL(gateway).host, 'its certificate cannot be read');
  }
  const names = Array.isArray(principals) ? principals.map(String) : [];
  return { line: certificate, principals: names.filter((name) => /^[\w.-]{1,64}$/.test(name)) };
}

function credentialHeaders(pass: Exclude<Pass, { kind: 'none' }>): Record<string, string> {
  if (pass.kind === 'session') return { authorization: `Bearer ${pass.credential.token}` };
  const { id, secret } = pass.token;
  return { 'postern-service-token-id': id, 'postern-service-token-secret': secret };
}

function refusal(hostname: string, status: number, code: unknown): PosternError {
  const what = `Cannot get an SSH certificate for "${hostname}"`;
  const known = refusalIn(REFUSALS, code);
  if (known !== undefined) return new PosternError(known.code, `${what}: ${known.why}`);
  return new PosternError('LINK_HANDSHAKE', `${what}: the gateway answers ${status}`);
}
