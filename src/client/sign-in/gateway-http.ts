/**
 * Asks a gateway over HTTPS, for short answers in JSON.
 *
 * A host is always the one that its certificate is for, wherever the connection goes: with `--gateway` every host of the gateway is
 * reached at that address. Redirects are never followed, so nothing that is sent with a request goes anywhere else (case L5).
 * Every failure is told apart: `LINK_*` for the way there, LINK_HANDSHAKE for an answer that no gateway gives.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { hasCode, isPosternError, messageOf, PosternError } from '../../core/error.ts';
import { quoteForeign, wasCutOff } from '../../transport/dial/dial-error.ts';
import { dialGateway } from '../../transport/dial/gateway-dial.ts';

/** How long an answer may take once the connection stands, ms. */
const ANSWER_MS = 20_000;
/** Largest answer, bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface GatewayHttpOptions {
  /** Where every connection goes, instead of to the host that is asked. */
  readonly gateway?: URL | undefined;
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly ca?: string | Buffer | undefined;
}

export interface GatewayQuestion {
  readonly method?: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  /** Values never show in an error. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: Readonly<Record<string, unknown>>;
}

export interface GatewayAnswer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

export class GatewayHttp {
  readonly #agent: GatewayAgent;

  constructor(options: GatewayHttpOptions = {}) {
    this.#agent = new GatewayAgent(options);
  }

  /** The answer of `origin` (`https://host[:port]`) in JSON, whatever its status. */
  async ask(origin: string, question: GatewayQuestion): Promise<GatewayAnswer> {
    try {
      return await this.#ask(origin, question);
    } catch (error) {
      // Once more, where nothing can be done twice: it was not sent yet, or only reads.
      const isSafe = hasCode(error, 'LINK_TLS') || (question.method ?? 'GET') === 'GET';
      if (!isSafe || !wasCutOff(error)) throw error;
      return this.#ask(origin, question);
    }
  }

  /** Lets go of connections that are kept. */
  close(): void {
    this.#agent.destroy();
  }

  async #ask(origin: string, question: GatewayQuestion): Promise<GatewayAnswer> {
    const { host } = new URL(origin);
    try {
      const response = await this.#send(origin, question);
      const status = response.statusCode ?? 0;
      const text = await readBounded(response);
      const type = response.headers['content-type'] ?? '';
      if (!type.startsWith('application/json')) {
        throw notAGateway(
          host,
          `it answers ${question.path.split('?')[0]} with ${status}, and not in JSON`,
        );
      }
      return { status, json: parseObject(text, host) };
    } catch (cause) {
      if (isPosternError(cause)) throw cause;
      throw notAGateway(host, quoteForeign(messageOf(cause)), cause);
    }
  }

  async #send(origin: string, question: GatewayQuestion): Promise<IncomingMessage> {
    const { host, hostname, port } = new URL(origin);
    const { method = 'GET', path, headers = {}, json } = question;
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
    const asked = request({
      agent: this.#agent,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 443 : port,
      method,
      path,
      headers: {
        host,
        accept: 'application/json',
        ...headers,
        ...(body && { 'content-type': 'application/json', 'content-length': body.byteLength }),
      },
    });
    asked.setTimeout(ANSWER_MS, () => {
      const message = `Cannot ask gateway "${host}": no answer in ${ANSWER_MS} ms`;
      asked.destroy(new PosternError('LINK_TIMEOUT', message));
    });
    return new Promise((resolve, reject) => {
      asked.once('response', resolve);
      asked.on('error', reject);
      asked.end(body);
    });
  }
}

/** Connections as links have them: the same proxies, trust and reasons. */
class GatewayAgent extends Agent {
  readonly #options: GatewayHttpOptions;

  constructor(options: GatewayHttpOptions) {
    super({ keepAlive: true, maxSockets: 4 });
    this.#options = options;
  }

  override createConnection(
    { host, port }: { host?: string | null; port?: string | number | null },
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    void this.#connect(host ?? '', Number(port), callback);
    return undefined;
  }

  async #connect(
    name: string,
    port: number,
    callback: (error: Error | null, socket: Duplex) => void,
  ): Promise<void> {
    const { gateway, ca } = this.#options;
    const url = gateway ?? new URL(`https://${name.includes(':') ? `[${name}]` : name}:${port}`);
    try {
      const open = { url, tlsName: name, ca, proxy: 'env' } as const;
      callback(null, await dialGateway(open, ({ socket }) => socket));
    } catch (error) {
      // Node calls it without a socket then; its type does not say so.
      Reflect.apply(callback, undefined, [error]);
    }
  }
}

/** What answers is not a gateway, or not one of ours. */
export function notAGateway(host: string, why: string, cause?: unknown): PosternError {
  const message = `Cannot use "${host}" as a Postern gateway: ${why}`;
  return new PosternError('LINK_HANDSHAKE', message, { cause });
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece: Buffer = chunk;
    bytes += piece.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString();
}

function parseObject(text: string, host: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below; the parser's message would quote the answer.
  }
  throw notAGateway(host, 'its answer is not an object in JSON');
}
