/**
 * Refuses requests that Node's parser lets through but that origins, or we, could read in two ways.
 *
 * Pure over the head of a request. Every refusal has a status and a coded error, and the connection closes after it:
 * whoever sends these bytes once gets no second try on the same connection. Cases P4, P5, P9–P12, P15–P17, P20 and
 * P22 of the HTTP attack list; the parser itself refuses P1–P3, P6 and P7.
 */
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import { HTTP_LIMITS_DEFAULTS } from '../../config/http-limits.ts';
import type { ErrorCode } from '../../core/error-codes.ts';
import { PosternError } from '../../core/error.ts';
import { connectionOptions, isGatewayOwned } from './fields/header-rules.ts';

/** What is looked at: the head of one request, and what TLS said before it. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  /** `1.1`, `1.0` or `2.0`. */
  readonly httpVersion: string;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** The SNI of the TLS connection; undefined without TLS or without SNI. */
  readonly servername?: string | undefined;
  /** The parser saw `Connection: upgrade` with an Upgrade field and has let go of the connection. */
  readonly isUpgrade: boolean;
  /** Undefined for HTTP/1. */
  readonly http2?: Http2Framing | undefined;
  /** The longest head of HTTP/2, bytes. Default: that of `http.max-header-size`. */
  readonly maxHeaderBytes?: number;
}

/** What HTTP/2 says beside the fields of a head. */
export interface Http2Framing {
  readonly scheme: string;
  readonly authority: string | undefined;
  /** What the stream is to carry instead of a request (RFC 8441); the method is then GET, as over HTTP/1.1. */
  readonly protocol: string | undefined;
  /** How long the head is, bytes. Of HTTP/1 the parser sees to it. */
  readonly headBytes: number;
  /** Whether anything follows the head. */
  readonly hasBody: boolean;
}

/** A request that means one thing only. */
export interface GuardedRequest {
  readonly ok: true;
  /** The Host field as sent. */
  readonly host: string;
  /** Its normal form, without the port. */
  readonly hostname: string;
  /** Origin-form of the target: path and query. */
  readonly target: string;
  /** The path alone. */
  readonly path: string;
  readonly hasBody: boolean;
  /** False for an Upgrade that is not WebSocket's: it is served as an ordinary request, once. */
  readonly isWebSocket: boolean;
}

/** A request that is answered by us and then closed. */
export interface GuardRefusal {
  readonly ok: false;
  readonly status: number;
  readonly error: PosternError;
}

/** The methods that Allow names in a 405. */
export const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

const HTTP1: ReadonlySet<string> = new Set(['1.1', '1.0']);
const HTTP2: ReadonlySet<string> = new Set(['2.0']);

const HOST = /^(?:[a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{0,5})?$/i;
const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i;
// oxlint-disable-next-line no-control-regex
const NEVER_IN_TARGET = /[\u0000-\u0020\u007f#]/;

/** Fields whose removal by way of Connection would change what the message is. */
const MUST_STAY: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding']);

/**
 * Fields that say one thing, so that two of them say two: who reads the first and who reads the last disagree about who asks,
 * from where, or for what. A bit for each. Host and framing are looked at by themselves; `User-Agent` and the like decide nothing.
 */
const ONCE: ReadonlyMap<string, number> = new Map(
  [
    'authorization',
    'content-type',
    'content-range',
    'expect',
    'if-modified-since',
    'if-range',
    'if-unmodified-since',
    'max-forwards',
    'origin',
    'range',
  ].map((name, index) => [name, 2 ** index]),
);

/** Decides whether a request may go on. Never throws. */
export function checkRequest(head: RequestHead): GuardedRequest | GuardRefusal {
  const protocol = head.http2?.protocol;
  if (protocol !== undefined && protocol !== 'websocket') {
    const message = `Cannot serve a stream for ${quote(protocol)}: the protocol is not supported`;
    return refuse(501, 'HTTP_UPGRADE', message);
  }
  if (head.method === 'CONNECT' || head.method === 'TRACE') {
    return refuse(405, 'HTTP_METHOD', `Cannot serve "${head.method}": the method is not supported`);
  }
  const { http2, maxHeaderBytes = HTTP_LIMITS_DEFAULTS.maxHeaderBytes } = head;
  if (!(http2 === undefined ? HTTP1 : HTTP2).has(head.httpVersion)) {
    return bad(`HTTP version "${head.httpVersion}" is not supported`);
  }
  if (http2 !== undefined && http2.headBytes > maxHeaderBytes) {
    const message = `Cannot serve the request: its head is over ${maxHeaderBytes} bytes`;
    return refuse(431, 'HTTP_TOO_LARGE', message);
  }
  const fields = new HeadFields();
  const problem =
    fields.read(head.rawHeaders) ??
    (http2 === undefined ? fields.framingProblem(head.httpVersion) : fields.http2Problem(http2));
  if (problem !== undefined) return bad(problem);
  const host = http2?.authority ?? fields.host;
  if (host === undefined) return bad('the Host field is missing');
  if (!HOST.test(host)) return bad(`the Host field ${quote(host)} is not a host`);

  const target = originForm(head.url, host);
  if (target.problem !== undefined) return bad(target.problem);
  const hostname = normaliseHostname(host);
  if (fields.host !== undefined && !isSameAuthority(fields.host, host)) {
    const names = `${quote(host)} with a Host field ${quote(fields.host)}`;
    return refuse(421, 'HTTP_MISDIRECTED', `Cannot serve ${names}: the hosts differ`);
  }
  if (head.servername !== undefined && normaliseHostname(head.servername) !== hostname) {
    const names = `${quote(hostname)} on a TLS connection to ${quote(head.servername)}`;
    return refuse(421, 'HTTP_MISDIRECTED', `Cannot serve ${names}: the hosts differ`);
  }

  const isUpgrade = head.isUpgrade || http2?.protocol !== undefined;
  if (isUpgrade && fields.hasBody) {
    return refuse(400, 'HTTP_UPGRADE', 'Cannot upgrade the connection: the request has a body');
  }
  const isWebSocket =
    http2 === undefined
      ? head.isUpgrade && fields.upgrade?.toLowerCase() === 'websocket'
      : http2.protocol === 'websocket';
  if (
    isWebSocket &&
    http2 === undefined &&
    !(head.method === 'GET' && head.httpVersion === '1.1')
  ) {
    return refuse(400, 'HTTP_UPGRADE', 'Cannot upgrade to WebSocket: only GET of HTTP/1.1 can');
  }
  if (isWebSocket && http2?.hasBody === false) {
    return refuse(400, 'HTTP_UPGRADE', 'Cannot open a WebSocket: its stream has ended');
  }
  const hasBody = !isWebSocket && (http2?.hasBody ?? fields.hasBody);
  return { ok: true, host, hostname, target: target.form, path: target.path, hasBody, isWebSocket };
}

/** The fields that decide about framing and routing, gathered in one pass. */
class HeadFields {
  host: string | undefined;
  upgrade: string | undefined;
  #contentLength: string | undefined;
  #transferEncoding: string | undefined;
  #hasConnection = false;
  /** Bits of ONCE. */
  #seen = 0;

  get hasBody(): boolean {
    return this.#transferEncoding !== undefined || Number(this.#contentLength ?? 0) > 0;
  }

  /** Returns what is wrong with the fields one by one, or undefined. */
  read(rawHeaders: readonly string[]): string | undefined {
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? '';
      const problem = this.#readField(name.toLowerCase(), rawHeaders[index + 1] ?? '');
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Returns what is wrong with them together, or undefined. */
  framingProblem(httpVersion: string): string | undefined {
    const encoding = this.#transferEncoding;
    if (encoding === undefined) return undefined;
    if (httpVersion === '1.0') return 'HTTP/1.0 has no Transfer-Encoding';
    if (this.#contentLength !== undefined) return 'it has Content-Length and Transfer-Encoding';
    if (encoding.toLowerCase() === 'chunked') return undefined;
    return `Transfer-Encoding ${quote(encoding)} is not "chunked"`;
  }

  /** Returns what is wrong with the fields of HTTP/2, or undefined: those that only HTTP/1.1 has (RFC 9113 §8.2.2). */
  http2Problem({ scheme }: Http2Framing): string | undefined {
    if (scheme !== 'https') return `the scheme ${quote(scheme)} is not "https"`;
    const isOfHttp1 =
      this.upgrade !== undefined || this.#transferEncoding !== undefined || this.#hasConnection;
    return isOfHttp1 ? 'it has Connection, Upgrade or Transfer-Encoding over HTTP/2' : undefined;
  }

  #readField(name: string, value: string): string | undefined {
    switch (name) {
      case 'host':
        if (this.host !== undefined) return 'it has two Host fields';
        this.host = value;
        return undefined;
      case 'content-length':
        if (this.#contentLength !== undefined) return 'it has two Content-Length fields';
        if (!/^\d{1,15}$/.test(value)) return `Content-Length ${quote(value)} is not a length`;
        this.#contentLength = value;
        return undefined;
      case 'transfer-encoding':
        if (this.#transferEncoding !== undefined) return 'it has two Transfer-Encoding fields';
        this.#transferEncoding = value;
        return undefined;
      case 'upgrade':
        // Two fields are a list, and a list is not exactly "websocket".
        this.upgrade = this.upgrade === undefined ? value : `${this.upgrade},${value}`;
        return undefined;
      case 'connection': {
        this.#hasConnection = true;
        const listed = connectionOptions(value).find((o) => MUST_STAY.has(o) || isGatewayOwned(o));
        return listed === undefined ? undefined : `the Connection field lists ${quote(listed)}`;
      }
      default:
        return this.#readOnce(name);
    }
  }

  #readOnce(name: string): string | undefined {
    const bit = ONCE.get(name);
    if (bit === undefined) return undefined;
    if ((this.#seen & bit) !== 0) return `it has two ${name} fields`;
    this.#seen |= bit;
    return undefined;
  }
}

interface Target {
  readonly form: string;
  readonly path: string;
  readonly problem?: string;
}

/** Path and query of a request target; absolute-form only where it names the same authority as Host. */
function originForm(url: string, host: string): Target {
  let form = url;
  if (!url.startsWith('/')) {
    const absolute = ABSOLUTE.exec(url);
    if (absolute === null) return badTarget(`the target ${quote(url)} is not a path`);
    const [, authority = '', rest = ''] = absolute;
    if (!isSameAuthority(authority, host)) {
      return badTarget(`the target names ${quote(authority)} and Host ${quote(host)}`);
    }
    form = rest;
    if (!form.startsWith('/')) form = `/${form}`;
  }
  if (NEVER_IN_TARGET.test(form))
    return badTarget('the target has "#", a space or a control character');
  const query = form.indexOf('?');
  const path = query === -1 ? form : form.slice(0, query);
  // Browsers send `\` raw in a query and never in a path, where some origins take it for `/`.
  if (path.includes('\\')) return badTarget('the path has a "\\"');
  return { form, path };
}

function badTarget(problem: string): Target {
  return { form: '', path: '', problem };
}

/** Whether two authorities are one. Over HTTP/1 it is nearly always the same text. */
function isSameAuthority(one: string, other: string): boolean {
  return one === other || withoutPort(one) === withoutPort(other);
}

/** An authority in lower case, without the port where it is one that clients leave out. */
function withoutPort(authority: string): string {
  return authority.toLowerCase().replace(/:(?:80|443)?$/, '');
}

function bad(problem: string): GuardRefusal {
  return refuse(400, 'HTTP_BAD_REQUEST', `Cannot serve the request: ${problem}`);
}

function refuse(status: number, code: ErrorCode, message: string): GuardRefusal {
  return { ok: false, status, error: new PosternError(code, message) };
}

/** Quotes what came from outside for one log line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
