/** What a user of ssh needs to be let in at a hostname: a pass for the gateway, and a certificate where there are some. */
import { hasCode } from '../../core/error.ts';
import { isSignedOut, type CredentialSource } from '../sign-in/ensure-credential.ts';
import type { GatewayHttp } from '../sign-in/gateway-http.ts';
import { requestCertificate, type IssuedCertificate } from './certificate-request.ts';

export interface HostCertificateAsk {
  readonly source: CredentialSource;
  readonly http: GatewayHttp;
  /** Where every connection goes, where that is not the hostname itself. */
  readonly gateway?: URL | undefined;
  readonly hostname: string;
  /** Whether the user may be asked to sign in. */
  readonly interactive: boolean;
  /** `ssh-ed25519 AAAA…` */
  readonly publicLine: string;
  /** Hears why somebody who may connect gets no certificate. */
  onNone(why: string): void;
}

/**
 * Signs in where that is needed and gets a certificate. Undefined where the application issues none, or knows no user name
 * for this person: sshd may take a key of theirs. Rejects with ACCESS_*, LINK_*.
 */
export async function hostCertificate(
  ask: HostCertificateAsk,
): Promise<IssuedCertificate | undefined> {
  const { source, http, gateway, hostname, interactive, publicLine } = ask;
  const where = { gateway, hostname, path: '', interactive };
  const request = async (granted: Awaited<ReturnType<CredentialSource['ensure']>>) => {
    // Nothing secret goes to a host that has not proved to be the gateway's.
    if (granted.pass.kind !== 'none') await source.client(granted);
    return requestCertificate({ http, hostname, publicLine, ...granted });
  };
  const granted = await source.ensure(where);
  try {
    return await request(granted);
  } catch (error) {
    if (hasCode(error, 'ACCESS_SSH_PRINCIPAL')) {
      ask.onNone(error instanceof Error ? error.message : String(error));
      return undefined;
    }
    const { pass } = granted;
    if (!isSignedOut(error) || pass.kind !== 'session') throw error;
    return request(await source.renew(where, pass.credential));
  }
}
