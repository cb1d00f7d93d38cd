/** Asks the gateway for a client session, with whatever a browser has agreed to. */
import { PosternError } from '../../core/error.ts';
import { parseCredential, type Credential } from '../credentials/credential.ts';
import { notAGateway, type GatewayHttp } from './gateway-http.ts';

/** A session that has begun. */
export interface NewSession {
  readonly credential: Credential;
}

/** Why there is none: names of RFC 6749 and RFC 8628. */
export interface NoSession {
  readonly error: string;
}

/** Asks. Rejects with LINK_* and ACCESS_TOO_MANY. */
export async function askForSession(
  http: GatewayHttp,
  gateway: string,
  fields: Readonly<Record<string, string>>,
): Promise<NewSession | NoSession> {
  const path = '/.postern/client/token';
  const { status, json } = await http.ask(gateway, { method: 'POST', path, json: fields });
  if (status === 200) {
    const credential = parseCredential(JSON.stringify(json));
    if (credential?.gateway === gateway) return { credential };
    throw notAGateway(new URL(gateway).host, 'it began a session that cannot be read');
  }
  if (status === 429) {
    const message = 'Cannot sign in: too many sign-ins from this address; wait a minute';
    throw new PosternError('ACCESS_TOO_MANY', message);
  }
  return { error: typeof json['error'] === 'string' ? json['error'] : `status ${status}` };
}
