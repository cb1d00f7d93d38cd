/**
 * The `service:` of an ingress rule: what a connector reaches for it. cloudflared's forms keep their meaning.
 *
 * A service is an address, never a location: a URL with a path, query or user is refused, because the path of the
 * request is the one that is sent. Whether an address may be dialled is the connector's decision, not this module's.
 */
import { isIPv6 } from 'node:net';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

/** What answers behind an ingress rule. `host` has no brackets. */
export type OriginService =
  | {
      readonly kind: 'http';
      readonly tls: boolean;
      readonly host: string;
      readonly port: number;
      /** `http://host:port` or `https://host:port`, always with the port. */
      readonly url: string;
    }
  | { readonly kind: 'unix'; readonly path: string; readonly tls: boolean }
  | {
      readonly kind: 'tcp';
      /** TLS to the origin; absent: bytes as they come. */
      readonly tls?: true;
      readonly host: string;
      readonly port: number;
      /** Of a range: port n of a TCP listener reaches port n of it. */
      readonly lastPort?: number;
      readonly scheme: string;
    }
  | { readonly kind: 'http-status'; readonly status: number }
  | { readonly kind: 'hello-world' }
  /** Whatever the client names (`bastion`) or asks for by SOCKS5, within `originRequest.ipRules`. */
  | { readonly kind: 'bastion' | 'socks-proxy' };

const HTTP_PORTS = new Map([
  ['http', 80],
  ['https', 443],
  ['ws', 80],
  ['wss', 443],
]);

/** Ports that a scheme stands for; cloudflared's. Any other scheme must name its port. */
const TCP_PORTS = new Map([
  ['tcp', 7864],
  ['ssh', 22],
  ['rdp', 3389],
  ['smb', 445],
]);

/** The longest path that fits a socket address on Linux, bytes, without the closing NUL. */
const MAX_SOCKET_PATH = 107;

/** Parses a service. Throws CONFIG_INVALID that quotes the text and says how to write it. */
export function parseService(text: string): OriginService {
  if (text === 'bastion' || text === 'socks-proxy') return { kind: text };
  if (text === 'hello_world' || text === 'hello-world') return { kind: 'hello-world' };
  if (text.startsWith('http_status:')) return parseStatus(text);
  if (/^unix(\+tls)?:/.test(text)) return parseUnix(text);
  return parseAddress(text);
}

function parseStatus(text: string): OriginService {
  const digits = text.slice('http_status:'.length);
  const status = Number(digits);
  if (!/^\d{3}$/.test(digits) || status < 200) {
    throw invalid(text, 'has no status from 200 to 999', 'write http_status:404');
  }
  return { kind: 'http-status', status };
}

function parseUnix(text: string): OriginService {
  const tls = text.startsWith('unix+tls:');
  const path = text.slice(text.indexOf(':') + 1).replace(/^\/{2,}/, '/');
  if (!path.startsWith('/') || path.includes('\0')) {
    throw invalid(text, 'has no absolute path', 'write unix:/run/app.sock');
  }
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw invalid(text, `has a path of more than ${MAX_SOCKET_PATH} bytes`, 'use a shorter one');
  }
  return { kind: 'unix', path, tls };
}

function parseAddress(text: string): OriginService {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  const rest = match?.[2];
  if (scheme === undefined || rest === undefined) {
    const example = /^[\w.[\]:-]+$/.test(text) && text !== '' ? text : 'localhost:8080';
    throw invalid(text, 'is not a service', `write it with a scheme, such as http://${example}`);
  }
  if (scheme === 'udp') throw invalid(text, 'is not supported', 'only TCP can be carried');
  const { host, port: written, lastPort } = parseHostPort(text, rest);
  const httpPort = HTTP_PORTS.get(scheme);
  const port = written ?? httpPort ?? TCP_PORTS.get(scheme);
  if (port === undefined) {
    throw invalid(text, 'has no port', `write ${scheme}://${bracketed(host)}:PORT`);
  }
  if (httpPort === undefined) {
    const tls = scheme === 'tcp+tls' && { tls: true as const };
    return { kind: 'tcp', ...tls, host, port, ...(lastPort && { lastPort }), scheme };
  }
  if (lastPort !== undefined) {
    throw invalid(text, 'has a range of ports', 'only raw TCP services such as tcp:// may');
  }
  // A URL cannot hold one, and HTTP speaks of its origin in URLs.
  if (host.includes('%')) throw invalid(text, 'has a zone', 'only raw TCP services may name one');
  const tls = httpPort === 443;
  const url = `${tls ? 'https' : 'http'}://${bracketed(host)}:${port}`;
  return { kind: 'http', tls, host, port, url };
}

interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
  readonly lastPort: number | undefined;
}

function parseHostPort(text: string, rest: string): HostPort {
  if (rest.includes('@')) {
    throw invalid(text.replace(/\/\/.*@/, '//…@'), 'has a user', 'write only the address');
  }
  if (/[/?#]/.test(rest.replace(/\/$/, ''))) {
    throw invalid(text, 'has a path', 'write only the address; the path of the request is kept');
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+)(?:-(\d+))?)?$/.exec(rest.replace(/\/$/, ''));
  const host = (match?.[1] ?? match?.[2])?.toLowerCase();
  const isHost = match?.[1] === undefined ? isOriginHost(host ?? '') : isIPv6(match[1]);
  if (host === undefined || !isHost) {
    throw invalid(text, 'has no host, or a bad port', 'write it like http://localhost:8080');
  }
  const [port, lastPort] = [match?.[3], match?.[4]].map((digits) =>
    digits === undefined ? undefined : Number(digits),
  );
  if ([port, lastPort].some((one) => one !== undefined && (one < 1 || one > 65_535))) {
    throw invalid(text, 'has a port out of range', 'ports are 1 to 65535');
  }
  checkRange(text, port, lastPort);
  return { host, port, lastPort };
}

function checkRange(text: string, port = 0, lastPort = port + 1): void {
  if (lastPort <= port)
    throw invalid(text, 'has a range that does not go up', 'write it like tcp://host:6000-6099');
  if (lastPort - port < LIMITS.servicePorts) return;
  const most = `has a range of more than ${LIMITS.servicePorts} ports`;
  throw invalid(text, most, 'make several rules of it');
}

/** Whether a service may have this host: a name, or an IPv4 address. */
export function isOriginHost(host: string): boolean {
  // What is left to say no is the resolver: names of containers may hold underscores, and search domains are short.
  return /^[\p{L}\p{N}]([\p{L}\p{N}._-]*[\p{L}\p{N}_-])?\.?$/u.test(host) && host.length <= 253;
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

function invalid(text: string, problem: string, remedy: string): PosternError {
  return new PosternError('CONFIG_INVALID', `service "${text}" ${problem}; ${remedy}`);
}
