/** What a command asks of a gateway once it knows who it is, or before anybody has said who they are. */
import { PosternError } from '../../core/error.ts';
import type { Credential } from '../credentials/credential.ts';
import { notAGateway, type GatewayAnswer, type GatewayHttp } from './gateway-http.ts';
import { refusalIn, type RefusalWords } from './refusal-words.ts';

/** Where a command wants to go: '' for raw TCP. */
export interface Destination {
  readonly hostname: string;
  readonly path: string;
  /** Why, where the application wants to know. */
  readonly purpose?: string | undefined;
}

/** The id and the secret of a service token. */
export interface ServiceToken {
  readonly id: string;
  readonly secret: string;
}

/** A token for one application; `undefined` where none is needed. */
export interface AppToken {
  readonly token: string;
  readonly expiresAt: number;
  readonly application: string;
}

/** What the gateway refuses with, in words for who asked. */
const REFUSALS: RefusalWords = {
  ACCESS_SIGN_IN: 'you are not signed in, or no longer; "postern access login" signs in',
  ACCESS_DENIED: 'you may not use this application',
  ACCESS_PURPOSE: 'it wants to be told why; say so with --purpose',
  ACCESS_TOO_MANY: 'too many refused requests from this address; wait a minute',
  ROUTE_NOT_FOUND: 'nothing is published under this name',
  ROUTE_NO_REPLICA: 'the machine that serves it is not connected at the moment',
};

export class GatewayClient {
  readonly #http: GatewayHttp;
  /** Origin of the auth host. */
  readonly #gateway: string;

  constructor(http: GatewayHttp, gateway: string) {
    this.#http = http;
    this.#gateway = gateway;
  }

  /** What somebody unknown needs there: nothing, a sign-in, or a permission that a sign-in alone would not bring. */
  async needs({ hostname, path }: Destination): Promise<'none' | 'sign-in' | 'permission'> {
    const query = new URLSearchParams({ hostname, path }).toString();
    const answer = await this.#http.ask(this.#gateway, {
      path: `/.postern/client/access?${query}`,
    });
    const { needs } = answer.json;
    if (answer.status !== 200) throw this.#refusal(answer, hostname);
    if (needs === 'none' || needs === 'sign-in' || needs === 'permission') return needs;
    throw notAGateway(new URL(this.#gateway).host, 'it does not say what an application needs');
  }

  /** A token for the application there. Rejects with ACCESS_SIGN_IN, ACCESS_DENIED and ROUTE_*. */
  async appToken(who: Credential, to: Destination): Promise<AppToken | undefined> {
    const { hostname, path, purpose } = to;
    const answer = await this.#http.ask(this.#gateway, {
      method: 'POST',
      path: '/.postern/client/app-token',
      headers: authorization(who),
      json: { hostname, path, ...(purpose === undefined ? {} : { purpose }) },
    });
    const { needs, token, expiresAt, application } = answer.json;
    if (answer.status !== 200) throw this.#refusal(answer, hostname);
    if (needs === 'none') return undefined;
    if (typeof token !== 'string' || !/^[\w.-]{20,4096}$/.test(token)) {
      throw notAGateway(new URL(this.#gateway).host, 'its token cannot be read');
    }
    return { token, expiresAt: Number(expiresAt), application: String(application) };
  }

  /** Whether the session is still one. */
  async isSignedIn(credential: Credential): Promise<boolean> {
    const headers = authorization(credential);
    const answer = await this.#http.ask(this.#gateway, {
      path: '/.postern/client/whoami',
      headers,
    });
    if (answer.status !== 200 && answer.status !== 401) throw this.#refusal(answer, undefined);
    return answer.status === 200;
  }

  /** Ends the session. One that has ended already is no error. */
  async logout(credential: Credential): Promise<void> {
    const path = '/.postern/client/logout';
    const headers = authorization(credential);
    const answer = await this.#http.ask(this.#gateway, { method: 'POST', path, headers });
    if (answer.status !== 200 && answer.status !== 401) throw this.#refusal(answer, undefined);
  }

  #refusal({ status, json }: GatewayAnswer, hostname: string | undefined): PosternError {
    const { host } = new URL(this.#gateway);
    const known = refusalIn(REFUSALS, json['code']);
    const id = typeof json['requestId'] === 'string' ? json['requestId'] : '';
    const request = /^[\w-]{1,64}$/.test(id) ? ` (request ${id})` : '';
    const what = hostname === undefined ? `Cannot use "${host}"` : `Cannot reach "${hostname}"`;
    if (known !== undefined) {
      return new PosternError(known.code, `${what}: ${known.why}${request}`);
    }
    const message = `${what}: gateway "${host}" answers ${status}${request}`;
    return new PosternError('LINK_HANDSHAKE', message);
  }
}

function authorization({ token }: Credential): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
