/**
 * Asks an HTTP proxy for a tunnel to the gateway (CONNECT, RFC 9110 §9.3.6).
 *
 * Node's HTTP client reads the answer, which bounds its head and takes any split of it. The socket that comes back has
 * nothing of HTTP left on it. Credentials go to the proxy and nowhere else.
 */
import { request, type IncomingMessage } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { failedDial, quoteForeign, type DialParties } from './dial-error.ts';
import type { Proxy, ProxyTarget } from './proxy-choice.ts';

/**
 * Makes `socket`, connected to `proxy`, one that is connected to `target`. Rejects with LINK_PROXY if refused, and with
 * what the HTTP client says when there is no answer. Destroying the socket gives up.
 */
export async function openProxyTunnel(
  socket: Socket,
  proxy: Proxy,
  target: ProxyTarget,
  parties: DialParties,
): Promise<void> {
  const host = isIPv6(target.host) ? `[${target.host}]` : target.host;
  const { answer, head } = await askForTunnel(socket, `${host}:${target.port}`, proxy);
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) {
    const why = refusalOf(answer, proxy.authorization !== undefined);
    throw failedDial('LINK_PROXY', parties, why);
  }
  if (head.byteLength > 0) socket.unshift(head);
}

interface Answer {
  readonly answer: IncomingMessage;
  /** What came behind the head of the answer. */
  readonly head: Buffer;
}

function askForTunnel(
  socket: Socket,
  authority: string,
  { authorization }: Proxy,
): Promise<Answer> {
  const login = authorization === undefined ? {} : { 'Proxy-Authorization': authorization };
  return new Promise((resolve, reject) => {
    const connect = request({
      method: 'CONNECT',
      path: authority,
      headers: { Host: authority, ...login },
      createConnection: () => socket,
    });
    connect.once('connect', (answer, _socket, head) => resolve({ answer, head }));
    connect.on('error', reject);
    connect.end();
  });
}

function refusalOf(answer: IncomingMessage, hadCredentials: boolean): string {
  const status = `${answer.statusCode} ${quoteForeign(answer.statusMessage ?? '')}`;
  if (answer.statusCode !== 407) return `it answers CONNECT with ${status}`;
  const offered = answer.headers['proxy-authenticate'] ?? '';
  // Only the names of the schemes: what follows them is a challenge.
  const schemes = offered.match(/(?<=^|,\s*)[A-Za-z][\w-]*(?=\s|,|$)/g) ?? [];
  const takesBasic = schemes.some((scheme) => scheme.toLowerCase() === 'basic');
  if (schemes.length > 0 && !takesBasic) {
    return `it answers CONNECT with ${status} and offers ${quoteForeign(schemes.join(', '))}; only Basic is supported`;
  }
  return hadCredentials
    ? `it does not accept the user name and password in the URL of the proxy (${status})`
    : `it wants a user name and password; put them into the URL of the proxy (${status})`;
}
