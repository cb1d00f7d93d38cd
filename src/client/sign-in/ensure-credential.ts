/**
 * What a command shows a gateway to be let through to a hostname: nothing, a service token, or the credential of the user, who
 * signs in first where that is needed.
 *
 * Nothing secret leaves this machine before the host that is asked has proved to belong to the gateway that the secret is for
 * (case L2). Many processes at once open one browser: one of them signs in and the others wait for what it brings. With a service
 * token no browser ever opens (case L15).
 */
import { hostname as machineName } from 'node:os';
import { hasCode, PosternError } from '../../core/error.ts';
import type { CredentialCache } from '../credentials/credential-cache.ts';
import type { Credential } from '../credentials/credential.ts';
import { withProcessLock } from '../credentials/process-lock.ts';
import { signInByBrowser, type SignInAsk } from './browser-sign-in.ts';
import { signInByDevice } from './device-sign-in.ts';
import { GatewayClient, type Destination, type ServiceToken } from './gateway-client.ts';
import { notAGateway, type GatewayHttp } from './gateway-http.ts';
import { proveHost, type ProvenHost } from './gateway-proof.ts';
import type { SignInTerminal } from './sign-in-terminal.ts';

/** What to show. */
export type Pass =
  | { readonly kind: 'none' }
  | { readonly kind: 'service-token'; readonly token: ServiceToken }
  | { readonly kind: 'session'; readonly credential: Credential };

export interface CredentialAsk extends Partial<Destination> {
  /** Where every connection goes, where that is not the hostname itself. */
  readonly gateway?: URL | undefined;
  /** Origin that the secret will be sent to, `https://host[:port]`. Default: the gateway's, else that of `hostname`. */
  readonly origin?: string | undefined;
  /** Whether the user may be asked to sign in. */
  readonly interactive: boolean;
  /** Never opens a browser here. */
  readonly headless?: boolean;
  /** Forgets a kept credential that must not be believed, such as a file that others can write, and signs in anew. */
  readonly replacesBad?: boolean;
}

export interface CredentialSourceOptions {
  readonly http: GatewayHttp;
  readonly cache: CredentialCache;
  /** The client's folder, for locks. */
  readonly home: string;
  readonly terminal: SignInTerminal;
  /** From the environment. */
  readonly serviceToken?: ServiceToken | undefined;
  /** The command as its user typed it, without anything secret: `postern access tcp`. */
  readonly command: string;
}

/** A pass, and for which gateway it is. */
export interface GrantedPass {
  readonly pass: Pass;
  /** Origin of the auth host. */
  readonly gateway: string;
}

export class CredentialSource {
  readonly #options: CredentialSourceOptions;

  constructor(options: CredentialSourceOptions) {
    this.#options = options;
  }

  /**
   * The pass for a hostname, or with none for the gateway itself. Rejects with LINK_* for what keeps us from the gateway,
   * LINK_HANDSHAKE where a host does not prove to be its, ACCESS_SIGN_IN where nobody is signed in or it comes to nothing,
   * ROUTE_* where nothing answers.
   */
  async ensure(ask: CredentialAsk): Promise<GrantedPass> {
    const { http, serviceToken } = this.#options;
    const origin = originOf(ask);
    // Without TLS nothing secret is sent at all. Applications for everybody can be reached that way, for trials.
    if (origin.startsWith('http:')) return { pass: { kind: 'none' }, gateway: origin };
    const proven = await proveHost(http, origin);
    const { gateway } = proven;
    if (serviceToken !== undefined) {
      await this.#requireGateway(ask, proven, origin);
      return { pass: { kind: 'service-token', token: serviceToken }, gateway };
    }
    if (ask.hostname !== undefined) {
      const { hostname, path = '' } = ask;
      const needs = await new GatewayClient(http, gateway).needs({ hostname, path });
      if (needs === 'none') return { pass: { kind: 'none' }, gateway };
    }
    if (ask.replacesBad === true) await this.#forgetBad(gateway);
    const known = await this.known(proven);
    const credential = known ?? (await this.#signInOnce(ask, proven));
    return { pass: { kind: 'session', credential }, gateway };
  }

  /** The credential for the gateway of a host that has proved itself, if there is one. Rejects where the keys are others. */
  async known(proven: ProvenHost): Promise<Credential | undefined> {
    const { cache } = this.#options;
    const credential = await cache.find(proven.gateway);
    if (credential === undefined) return undefined;
    const { host } = new URL(proven.gateway);
    const why = `its key is not one of the gateway at which you are signed in; if its keys were replaced, sign out and in again`;
    if (!credential.keys.includes(proven.key)) throw notAGateway(host, why);
    if (isSameSet(credential.keys, proven.keys)) return credential;
    // A key that we know vouches for those that come after it.
    const renewed = { ...credential, keys: proven.keys };
    await cache.save(renewed);
    return renewed;
  }

  /** The gateway, for somebody who shows it something secret: it has proved itself too. */
  async client({ pass, gateway }: GrantedPass): Promise<GatewayClient> {
    const { http } = this.#options;
    const { key, gateway: named } = await proveHost(http, gateway);
    const isKnown = pass.kind !== 'session' || pass.credential.keys.includes(key);
    if (named === gateway && isKnown) return new GatewayClient(http, gateway);
    throw notAGateway(new URL(gateway).host, 'its key is not the one that was expected');
  }

  /** Forgets a credential that the gateway does not take any more, and gets another. */
  async renew(ask: CredentialAsk, stale: Credential): Promise<GrantedPass> {
    const { cache } = this.#options;
    const now = await cache.find(stale.gateway);
    if (now?.token === stale.token) await cache.remove(stale.gateway);
    return this.ensure(ask);
  }

  async #forgetBad(gateway: string): Promise<void> {
    const { cache } = this.#options;
    try {
      await cache.find(gateway);
    } catch (error) {
      if (!hasCode(error, 'CLI_CREDENTIALS')) throw error;
      await cache.remove(gateway);
    }
  }

  async #signInOnce(ask: CredentialAsk, proven: ProvenHost): Promise<Credential> {
    const { home, terminal } = this.#options;
    const { gateway } = proven;
    const { host } = new URL(gateway);
    if (!ask.interactive) {
      const message = `Cannot reach gateway "${host}": you are not signed in; "postern access login" signs in`;
      throw new PosternError('ACCESS_SIGN_IN', message);
    }
    const lock = {
      home,
      name: `sign-in ${gateway}`,
      onWait: () => terminal.progress('Another postern is signing in; waiting for it…'),
      onHolderFailed: () => {
        const message = `Cannot sign in at "${host}": another postern that tried for both of us failed`;
        throw new PosternError('ACCESS_SIGN_IN', message);
      },
    };
    return withProcessLock(
      lock,
      async () => (await this.known(proven)) ?? this.#signIn(ask, proven),
    );
  }

  async #signIn(ask: CredentialAsk, proven: ProvenHost): Promise<Credential> {
    const { http, cache, terminal, command } = this.#options;
    const { gateway } = proven;
    // The certificate of the auth host vouches for the key, and the key for the host that was asked.
    const auth = await proveHost(http, gateway);
    if (auth.gateway !== gateway || auth.key !== proven.key) {
      const why = `its key is not that of "${new URL(gateway).host}", to which it says it belongs`;
      throw notAGateway(new URL(originOf(ask)).host, why);
    }
    const device = printableName(machineName());
    const signIn: SignInAsk = { http, gateway, terminal, device, command };
    const local = ask.headless === true ? 'no-browser' : await signInByBrowser(signIn);
    const { credential } = local === 'no-browser' ? await signInByDevice(signIn) : local;
    if (!credential.keys.includes(auth.key)) {
      throw notAGateway(new URL(gateway).host, 'it does not name the key that it signs with');
    }
    await cache.save(credential);
    terminal.progress(
      `Signed in${credential.email === undefined ? '' : ` as ${credential.email}`}.`,
    );
    return credential;
  }

  /** A service token goes to the gateway that was named and to no other. */
  async #requireGateway(ask: CredentialAsk, proven: ProvenHost, origin: string): Promise<void> {
    if (ask.gateway === undefined || ask.gateway.origin === origin) return;
    const named = await proveHost(this.#options.http, ask.gateway.origin);
    if (named.gateway === proven.gateway && named.key === proven.key) return;
    throw notAGateway(new URL(origin).host, `it is not one of "${ask.gateway.host}"`);
  }
}

/** Whether an old credential should be given up: the gateway says that it is none. */
export function isSignedOut(error: unknown): boolean {
  return hasCode(error, 'ACCESS_SIGN_IN');
}

function originOf({ origin, gateway, hostname }: CredentialAsk): string {
  if (origin !== undefined) return origin;
  if (gateway !== undefined) return gateway.origin;
  if (hostname !== undefined) return `https://${hostname}`;
  throw new PosternError('CLI_USAGE', 'Cannot find a gateway: neither it nor a hostname is named');
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each) => other.includes(each));
}

function printableName(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, 100) || 'unnamed';
}
