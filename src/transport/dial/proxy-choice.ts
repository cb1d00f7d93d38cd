/**
 * Which HTTP proxy, if any, a link goes through, by the environment variables that everybody knows.
 *
 * Pure: the environment is passed in. Upper and lower case count, lower case first. Unlike some programs we send loopback
 * addresses through the proxy as well, unless NO_PROXY says otherwise.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { PosternError } from '../../core/error.ts';

/** Where a link is dialled to. */
export interface ProxyTarget {
  /** Whether the gateway's own URL is `https:`. */
  readonly isTls: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** A proxy to CONNECT through. */
export interface Proxy {
  readonly isTls: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, for messages: never with credentials. */
  readonly name: string;
  /** The value of Proxy-Authorization. A secret. */
  readonly authorization: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for `target`: HTTPS_PROXY (HTTP_PROXY for plain links), then ALL_PROXY, unless NO_PROXY excepts it. */
export function proxyFromEnv(target: ProxyTarget, env: Environment): Proxy | undefined {
  const name = target.isTls ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = read(env, name) ?? read(env, 'ALL_PROXY');
  if (text === undefined || isExcepted(target, read(env, 'NO_PROXY') ?? '')) return undefined;
  return parseProxy(text);
}

/** A proxy from its URL; a scheme may be left out. Throws LINK_PROXY, without repeating what may be a password. */
export function parseProxy(text: string): Proxy {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  // No cause: Node's error repeats the URL, password and all.
  if (!URL.canParse(full)) throw unusable('it is not a URL');
  const url = new URL(full);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw unusable(
      `its scheme is "${url.protocol.slice(0, -1)}", and only http and https are known`,
    );
  }
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  return {
    isTls,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    name: `${url.hostname}:${port}`,
    authorization: authorizationOf(url),
  };
}

/** Whether NO_PROXY's `list` excepts `target`: `*`, hosts, `.suffix`, addresses, CIDR blocks, each with an optional port. */
export function isExcepted(target: ProxyTarget, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => entry !== '' && matches(target, entry));
}

function matches(target: ProxyTarget, entry: string): boolean {
  if (entry === '*') return true;
  const { pattern, port } = splitPort(entry.toLowerCase());
  if (port !== undefined && port !== target.port) return false;
  const host = target.host.toLowerCase().replace(/\.$/, '');
  const family = isIP(host);
  if (family !== 0) return matchesAddress(host, family, pattern);
  const suffix = pattern.replace(/^\*?\./, '.').replace(/\.$/, '');
  // As in Go and curl, a bare domain stands for its subdomains too; a leading dot leaves out the domain itself.
  if (suffix.startsWith('.')) return suffix.length > 1 && host.endsWith(suffix);
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

function matchesAddress(host: string, family: number, pattern: string): boolean {
  const [address = '', prefix, ...rest] = pattern.split('/');
  const patternFamily = isIP(address);
  if (patternFamily === 0 || rest.length > 0) return false;
  const widest = patternFamily === 6 ? 128 : 32;
  const bits = prefix === undefined ? widest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (bits < 0 || bits > widest) return false;
  const block = new BlockList();
  block.addSubnet(address, bits, patternFamily === 6 ? 'ipv6' : 'ipv4');
  return block.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Takes a port off `host:8443`, `[::1]:8443` or `10.0.0.1:8443`; a bare IPv6 address or block has none. */
function splitPort(entry: string): { pattern: string; port?: number } {
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(entry);
  const plain = bracketed ?? /^([^:]*):(\d{1,5})$/.exec(entry);
  if (plain === null || isIPv6(entry)) return { pattern: entry };
  const [, pattern = '', port] = plain;
  return port === undefined ? { pattern } : { pattern, port: Number(port) };
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const login = `${decoded(username)}:${decoded(password)}`;
  return `Basic ${Buffer.from(login, 'utf8').toString('base64')}`;
}

/** Many a password with a bare % in it was put into HTTPS_PROXY as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An empty variable is as good as none. */
function read(env: Environment, name: string): string | undefined {
  const text = (env[name.toLowerCase()] ?? env[name])?.trim();
  return text === '' ? undefined : text;
}

function unusable(why: string): PosternError {
  return new PosternError('LINK_PROXY', `Cannot use the URL of the HTTP proxy: ${why}`);
}
