/**
 * The gateway's half of signing in, over real HTTPS and with real signatures, with the rest of the gateway in memory: for tests of
 * the client, among them those in which a server is not what it says.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { ClientGate } from '../../src/access/client-sign-in/client-gate.ts';
import { Proofs } from '../../src/access/client-sign-in/proofs.ts';
import type { WebRequest, WebResponse } from '../../src/access/web-message.ts';
import { systemClock } from '../../src/core/clock.ts';
import { cleanup } from './cleanup.ts';
import { clientLab, type ClientLab } from './client-lab.ts';
import { AUTH_HOST } from './sign-in.ts';
import { TestAuthority } from './test-authority.ts';

export interface MiniGatewayOptions {
  /** Answers in place of the gateway; undefined lets it. */
  readonly intercept?: (request: WebRequest) => WebResponse | undefined;
  /** Besides the usual: auth, wiki, db and open of postern.test, localhost and 127.0.0.1. */
  readonly names?: readonly string[];
  readonly authority?: TestAuthority;
}

export interface MiniGateway {
  readonly lab: ClientLab;
  readonly authority: TestAuthority;
  readonly port: number;
  /** `https://127.0.0.1:PORT` */
  readonly url: URL;
  /** `https://auth.postern.test:PORT`, its name. */
  readonly origin: string;
  /** Everything that was sent to it: methods, hosts, paths, headers and bodies. */
  readonly requests: string[];
  /** Signs with a new key from now on; `isAnnounced`: the old one vouches for it first. */
  replaceKey(isAnnounced: boolean): Promise<void>;
  /** Has the announced key sign. */
  useNextKey(): void;
}

interface Key {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly jwk: JWK;
}

async function newKey(kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid } };
}

export async function startMiniGateway(options: MiniGatewayOptions = {}): Promise<MiniGateway> {
  const authority = options.authority ?? (await TestAuthority.create());
  const names = ['auth', 'wiki', 'db', 'open'].map((name) => `${name}.postern.test`);
  const { cert, key } = await authority.issue({
    dns: [...names, 'localhost', ...(options.names ?? [])],
    ip: ['127.0.0.1'],
  });
  let port = 0;
  const keys = { all: [await newKey('1')], signs: 0 };
  const current = (): Key => {
    const found = keys.all[keys.signs];
    if (found === undefined) throw new Error('no such key');
    return found;
  };
  const gate = new ClientGate({
    gate: { judge: () => never(), rules: { applications: [], groups: [], defaultPolicy: 'deny' } },
    tokens: { mint: async () => never() },
    keys: {
      current: async () => current(),
      jwks: () => ({ keys: keys.all.map(({ jwk }) => jwk) }),
    },
    clock: systemClock,
  });
  const thumbprints = async (): Promise<string[]> => gate.thumbprints();
  const lab = clientLab({ origin: (host) => `https://${host}:${port}`, thumbprints });
  lab.clock.setWall(Date.now() - lab.clock.wall());
  const proofs = new Proofs({
    domain: 'postern.test',
    issuer: () => `https://${AUTH_HOST}:${port}`,
    isRouted: () => false,
    applicationAt: () => undefined,
    thumbprints,
    sign: async (claims) => gate.sign(claims),
  });
  const requests: string[] = [];
  const answer = async (request: WebRequest): Promise<WebResponse> => {
    const intercepted = options.intercept?.(request);
    if (intercepted !== undefined) return intercepted;
    if (request.path === '/.postern/proof') return proofs.handle(request);
    if (request.hostname === AUTH_HOST) return lab.clientSignIn.handle(request);
    return { status: 200, headers: [['content-type', 'text/plain']], body: 'the application' };
  };
  const server = createServer({ cert, key }, (request, response) => {
    void serve(request, response, answer, requests);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(() => {
    server.closeAllConnections();
    server.close();
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  port = (server.address() as AddressInfo).port;
  return {
    lab,
    authority,
    port,
    url: new URL(`https://127.0.0.1:${port}`),
    origin: `https://${AUTH_HOST}:${port}`,
    requests,
    replaceKey: async (isAnnounced) => {
      const next = await newKey(String(keys.all.length + 1));
      if (isAnnounced) keys.all.push(next);
      else keys.all = [next];
    },
    useNextKey: () => void (keys.signs = keys.all.length - 1),
  };
}

function never(): never {
  throw new Error('the lab judges');
}

async function serve(
  message: IncomingMessage,
  response: ServerResponse,
  answer: (request: WebRequest) => Promise<WebResponse>,
  requests: string[],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  const { method = '', url = '', headers } = message;
  const { pathname, search, searchParams, hostname } = new URL(url, `https://${headers.host}`);
  const body = Buffer.concat(chunks);
  requests.push(`${method} ${headers.host}${url} ${JSON.stringify(headers)} ${body.toString()}`);
  const cookies = (headers.cookie ?? '').split('; ').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  const {
    status,
    headers: fields,
    body: text,
  } = await answer({
    method,
    hostname,
    path: pathname,
    search: search.slice(1),
    query: searchParams,
    header: (name) => (typeof headers[name] === 'string' ? headers[name] : undefined),
    cookies: new Map(cookies),
    body,
    address: '127.0.0.1',
    requestId: 'request',
  });
  response.writeHead(
    status,
    fields.flatMap(([name, value]) => [name, value]),
  );
  response.end(text);
}
