/**
 * The way to a gateway: TCP, an HTTP proxy where there is one, and TLS, within one time limit.
 *
 * Each step is made here rather than by an agent, so that every failure is known by the step it happened in and whatever was
 * opened is closed again. Every rejection is a PosternError with a `LINK_*` code (`dial-error.ts`), or CONFIG_TLS for a
 * `ca` that is none. What is spoken over the socket is not known here: links, and the client's HTTP.
 */
import { once } from 'node:events';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { boundLookup } from './bound-lookup.ts';
import {
  awaitedAt,
  dialError,
  failedDial,
  type DialParties,
  type DialStage,
} from './dial-error.ts';
import { gatewayTrust } from './gateway-trust.ts';
import { parseProxy, proxyFromEnv, type Proxy, type ProxyTarget } from './proxy-choice.ts';
import { openProxyTunnel } from './proxy-tunnel.ts';

export interface GatewayDialOptions {
  /** `https://host:port` or, for trials, `http://host:port`. Its path, query and user are ignored. */
  readonly url: string | URL;
  /** The name that the certificate must be for, where it is not the URL's host. */
  readonly tlsName?: string | undefined;
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly ca?: string | Buffer | undefined;
  /** `env` obeys HTTPS_PROXY and its like. Default: none. */
  readonly proxy?: 'env' | URL | undefined;
  /** For all steps together, ms. Default LIMITS.dialMs. */
  readonly timeoutMs?: number | undefined;
  /** For TCP alone, ms. Default LIMITS.connectMs. */
  readonly connectMs?: number | undefined;
  /** Gives the dial up; it rejects with LINK_CLOSED. */
  readonly signal?: AbortSignal | undefined;
  /** Resolves names instead of the system. */
  readonly lookup?: LookupFunction | undefined;
}

/** How long one address may take before the next one is tried, ms. Node's 250 is less than a round trip by satellite. */
const NEXT_ADDRESS_MS = 500;

/** What a dial has opened. */
export interface OpenedGateway {
  readonly socket: Socket;
  readonly target: ProxyTarget;
  readonly parties: DialParties;
}

/** Opens a socket to the gateway, hands it to `use`, and resolves as that does. The time limit is for both. */
export async function dialGateway<T>(
  options: GatewayDialOptions,
  use: (opened: OpenedGateway) => T | Promise<T>,
): Promise<T> {
  const dial = new GatewayDial(options);
  try {
    return await use(await dial.open());
  } catch (cause) {
    throw dial.explain(cause);
  } finally {
    dial.release();
  }
}

class GatewayDial {
  readonly #options: GatewayDialOptions;
  readonly #target: ProxyTarget;
  readonly #timer: NodeJS.Timeout;
  readonly #stop = (): void => this.#giveUp('LINK_CLOSED', 'the dial was given up');
  #proxy: Proxy | undefined;
  #stage: DialStage = 'connect';
  /** The last socket opened: destroying it closes what is under it, and ends whatever waits for it. */
  #socket: Socket | undefined;
  #failure: PosternError | undefined;

  constructor(options: GatewayDialOptions) {
    this.#options = options;
    this.#target = targetOf(options.url);
    const { timeoutMs = LIMITS.dialMs, signal } = options;
    this.#timer = setTimeout(() => {
      this.#giveUp('LINK_TIMEOUT', `${awaitedAt(this.#stage)} within ${timeoutMs} ms`);
    }, timeoutMs);
    signal?.addEventListener('abort', this.#stop, { once: true });
    if (signal?.aborted === true) this.#stop();
  }

  /** Ready for the first byte of what is spoken over it. */
  async open(): Promise<OpenedGateway> {
    const target = this.#target;
    this.#proxy = this.#chooseProxy();
    const tcp =
      this.#proxy === undefined
        ? await this.#openTcp('connect', target)
        : await this.#openThrough(this.#proxy);
    const socket = target.isTls ? await this.#openTls('tls', target, tcp) : tcp;
    this.#enter('upgrade');
    return { socket, target, parties: this.#parties };
  }

  /** What the dial rejected with, as an error of ours. Closes what was opened. */
  explain(cause: unknown): PosternError {
    this.#socket?.destroy();
    return this.#failure ?? dialError(this.#stage, this.#parties, cause);
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#stop);
  }

  get #parties(): DialParties {
    const host = this.#options.tlsName ?? this.#target.host;
    return { gateway: nameOf({ ...this.#target, host }), proxy: this.#proxy?.name };
  }

  #giveUp(code: 'LINK_CLOSED' | 'LINK_TIMEOUT', why: string): void {
    const cause: unknown = this.#options.signal?.reason;
    this.#failure ??= failedDial(code, this.#parties, why, cause);
    this.#socket?.destroy(this.#failure);
  }

  #chooseProxy(): Proxy | undefined {
    const { proxy } = this.#options;
    if (proxy === undefined) return undefined;
    return proxy === 'env' ? proxyFromEnv(this.#target, process.env) : parseProxy(proxy.href);
  }

  async #openThrough(proxy: Proxy): Promise<Socket> {
    const tcp = await this.#openTcp('proxy-connect', proxy);
    const socket = proxy.isTls ? await this.#openTls('proxy-tls', proxy, tcp) : tcp;
    this.#enter('proxy-answer');
    await openProxyTunnel(socket, proxy, this.#target, this.#parties);
    return socket;
  }

  async #openTcp(stage: DialStage, { host, port }: ProxyTarget): Promise<Socket> {
    this.#enter(stage);
    const { lookup, connectMs = LIMITS.connectMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const socket = connectTcp({
      host,
      port,
      lookup: boundLookup(this.#parties, lookup),
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    });
    // From the first packet on: a resolver that is slow has its own time.
    socket.once('connectionAttempt', () => {
      timer = setTimeout(() => {
        this.#giveUp('LINK_TIMEOUT', `${awaitedAt(stage)} within ${connectMs} ms`);
      }, connectMs);
    });
    try {
      await this.#opened(socket, 'connect');
    } finally {
      clearTimeout(timer);
    }
    return socket;
  }

  async #openTls(stage: DialStage, { host, port }: ProxyTarget, under: Socket): Promise<Socket> {
    this.#enter(stage);
    const { context, sessions } = gatewayTrust(this.#options.ca);
    const name = stage === 'tls' ? (this.#options.tlsName ?? host) : host;
    // A session proves the name that it was made for and no other.
    const sessionName = `${name}:${port}`;
    const session = sessions.get(sessionName);
    const socket = connectTls({
      socket: under,
      host: name,
      servername: isIP(name) === 0 ? name : '',
      secureContext: context,
      // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED cannot unsay it.
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
    });
    socket.once('session', (next) => sessions.set(sessionName, next));
    await this.#opened(socket, 'secureConnect');
    return socket;
  }

  #enter(stage: DialStage): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#stage = stage;
  }

  /** Waits for `event`. From here on the socket is closed when the dial fails, and no error of it goes unheard. */
  async #opened(socket: Socket, event: string): Promise<void> {
    this.#socket = socket;
    socket.on('error', ignore);
    await once(socket, event);
  }
}

function targetOf(given: string | URL): ProxyTarget {
  const text = String(given);
  if (!URL.canParse(text)) throw notAGateway();
  const url = new URL(text);
  const isTls = url.protocol === 'https:';
  if (!isTls && url.protocol !== 'http:') throw notAGateway();
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  return { isTls, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** Does not repeat the URL: it may hold a password. */
function notAGateway(): PosternError {
  return new PosternError(
    'CONFIG_INVALID',
    'Cannot dial the gateway: its URL is not of the form https://host:port',
  );
}

function nameOf({ host, port }: ProxyTarget): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function ignore(): void {
  // Whoever waits for the socket hears of it; afterwards the channel does.
}
