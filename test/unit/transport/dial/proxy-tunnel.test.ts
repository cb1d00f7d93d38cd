import { once } from 'node:events';
import { connect, createServer, type LookupFunction, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';

import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { isPosternError, type PosternError } from '../../../../src/core/error.ts';
import { dialChannel, type DialOptions } from '../../../../src/transport/dial/dial-channel.ts';
import type { WsFrameChannel } from '../../../../src/transport/ws-frame-channel.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { startHttpProxy } from '../../../support/http-proxy.ts';
import { freePort } from '../../../support/real/port.ts';
import { listen, record, startLinkServer, type LinkServer } from '../link-ends.ts';
import { makeCertificates, type TestCertificates } from '../../../support/test-authority.ts';

const CREDENTIALS = { user: 'jörg@corp', password: 'p:ss w%rd' };
/** What must never be seen: the password as it is, in a URL, and in a header. */
const SECRETS = [
  CREDENTIALS.password,
  encodeURIComponent(CREDENTIALS.password),
  Buffer.from(`${CREDENTIALS.user}:${CREDENTIALS.password}`).toString('base64'),
];

let certificates: TestCertificates;
let gateway: LinkServer;
beforeAll(async () => {
  certificates = await makeCertificates();
});
beforeEach(async () => {
  gateway = await startLinkServer(certificates.good);
});

async function dial(options: Partial<DialOptions>): Promise<WsFrameChannel> {
  const channel = await dialChannel({ url: gateway.url, ca: certificates.ca, ...options });
  cleanup(() => channel.terminate());
  return channel;
}

/** What a dial rejects with; it never holds the credentials, not even in its causes. */
async function failureOf(options: Partial<DialOptions>): Promise<PosternError> {
  try {
    await dial(options);
  } catch (error) {
    const shown = inspect(error, { depth: null, showHidden: true });
    for (const secret of SECRETS) expect(shown).not.toContain(secret);
    if (isPosternError(error)) return error;
    throw error;
  }
  throw new Error('The dial was expected to fail');
}

/** A proxy that answers every CONNECT with these bytes, or with nothing. */
async function startScripted(answer?: string): Promise<{ url: URL; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.once('data', () => answer !== undefined && socket.end(answer));
  });
  return { url: new URL(`http://user:${SECRETS[1]}@127.0.0.1:${await listen(server)}`), open };
}

const failLookup: LookupFunction = (_name, _options, callback) =>
  callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '');

/** Sets variables of this process until the end of the test. */
function setEnv(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    process.env[name] = value;
    cleanup(() => delete process.env[name]);
  }
}

describe('dialChannel() through a proxy', () => {
  it('asks it for the gateway, with its credentials, and nobody else for the name', async () => {
    const proxy = await startHttpProxy({ credentials: CREDENTIALS });
    const names: string[] = [];
    const lookup: LookupFunction = (name, _options, callback) => {
      names.push(name);
      callback(new Error('nothing may be resolved here'), '');
    };
    const channel = await dial({ proxy: new URL(proxy.url), lookup });
    const far = record(await gateway.next());
    channel.send([Buffer.from('through')]);
    await eventually(() => far.frames.length === 1);
    expect(proxy.requests).toEqual([{ authority: `localhost:${gateway.port}`, status: 200 }]);
    expect(names).toEqual([]);
  });

  it('carries a link without TLS as well', async () => {
    const proxy = await startHttpProxy();
    const plain = await startLinkServer();
    await dial({ url: plain.url, proxy: new URL(proxy.url) });
    expect(proxy.requests).toEqual([{ authority: `localhost:${plain.port}`, status: 200 }]);
  });

  it('puts an IPv6 gateway into brackets', async () => {
    const proxy = await startHttpProxy();
    await failureOf({ url: `https://[::1]:${await freePort()}`, proxy: new URL(proxy.url) });
    expect(proxy.requests[0]?.authority).toMatch(/^\[::1\]:\d+$/);
  });

  it('reaches an https:// proxy whose authority it was given', async () => {
    const server = createTlsServer(certificates.good, (near) => {
      near.once('data', (head: Buffer) => {
        expect(String(head)).toMatch(/^CONNECT localhost:\d+ HTTP\/1\.1\r\n/);
        const far = connect({ port: gateway.port, host: '127.0.0.1' });
        near.on('error', () => far.destroy());
        far.on('error', () => near.destroy());
        near.write('HTTP/1.1 200 OK\r\n\r\n');
        near.pipe(far).pipe(near);
      });
    });
    const port = await listen(server);
    const channel = await dial({ proxy: new URL(`https://localhost:${port}`) });
    const accepted = await gateway.next();
    const near = record(channel);
    const far = record(accepted);
    const frames = Array.from({ length: 200 }, (_, index) => Buffer.alloc(index * 100, index));
    channel.send(frames);
    accepted.send(frames);
    await eventually(() => near.frames.length === 200 && far.frames.length === 200);
    expect(Buffer.concat(near.frames).equals(Buffer.concat(frames))).toBe(true);
    expect(Buffer.concat(far.frames).equals(Buffer.concat(frames))).toBe(true);
  });

  it('checks the certificate of the gateway behind it', async () => {
    const proxy = await startHttpProxy();
    const error = await failureOf({ proxy: new URL(proxy.url), ca: certificates.selfSigned.cert });
    expect(error).toMatchObject({ code: 'LINK_TLS', message: expect.stringContaining('"ca:"') });
    expect(error.message).toContain(`through the proxy "127.0.0.1:${proxy.port}"`);
  });

  it('obeys the environment when it is told to', async () => {
    const proxy = await startHttpProxy({ credentials: CREDENTIALS });
    setEnv({ HTTPS_PROXY: proxy.url, NO_PROXY: 'elsewhere.test' });
    await dial({ proxy: 'env' });
    expect(proxy.requests.length).toBe(1);
    await dial({});
    setEnv({ NO_PROXY: 'elsewhere.test,localhost' });
    await dial({ proxy: 'env' });
    expect(proxy.requests.length).toBe(1);
  });
});

describe('dialChannel() and a proxy that refuses', () => {
  it('tells that it wants credentials', async () => {
    const proxy = await startHttpProxy({ credentials: CREDENTIALS });
    const error = await failureOf({ proxy: new URL(proxy.urlWithoutCredentials) });
    expect(error.code).toBe('LINK_PROXY');
    expect(error.message).toMatch(/wants a user name and password; .* \(407 "Refused"\)$/);
  });

  it('tells that it does not accept the ones it got', async () => {
    const proxy = await startHttpProxy({ credentials: { user: 'somebody', password: 'else' } });
    const url = new URL(proxy.url);
    url.password = CREDENTIALS.password;
    const error = await failureOf({ proxy: url });
    expect(error.code).toBe('LINK_PROXY');
    expect(error.message).toContain('does not accept the user name and password');
  });

  it('tells that it only takes what we do not have', async () => {
    const answer =
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM abc==\r\n\r\n';
    const { url } = await startScripted(answer);
    const error = await failureOf({ proxy: url });
    expect(error.code).toBe('LINK_PROXY');
    expect(error.message).toContain('offers "Negotiate, NTLM"; only Basic is supported');
  });

  it.each([403, 502, 503])('tells its status %i', async (status) => {
    const proxy = await startHttpProxy();
    proxy.refuse(status);
    const error = await failureOf({ proxy: new URL(proxy.url) });
    expect(error).toMatchObject({ code: 'LINK_PROXY' });
    expect(error.message).toContain(`answers CONNECT with ${status} "Refused"`);
    expect(error.message).toContain(`"localhost:${gateway.port}"`);
  });

  it('is LINK_REFUSED where there is none', async () => {
    const port = await freePort();
    const error = await failureOf({ proxy: new URL(`http://127.0.0.1:${port}`) });
    expect(error.code).toBe('LINK_REFUSED');
    expect(error.message).toContain('the proxy: connection refused (127.0.0.1)');
  });

  it('is LINK_PROXY where its name does not resolve', async () => {
    const error = await failureOf({
      proxy: new URL('http://proxy.corp.test:3128'),
      lookup: failLookup,
    });
    expect(error.code).toBe('LINK_PROXY');
    expect(error.message).toContain('"proxy.corp.test" does not resolve (ENOTFOUND)');
  });

  it('is LINK_PROXY where its certificate is not trusted', async () => {
    const port = await listen(createTlsServer(certificates.selfSigned));
    const error = await failureOf({ proxy: new URL(`https://localhost:${port}`) });
    expect(error.code).toBe('LINK_PROXY');
    expect(error.message).toContain('the proxy: its certificate is self-signed');
  });

  it('is LINK_TIMEOUT where it does not answer, and leaves no connection', async () => {
    const { url, open } = await startScripted();
    const error = await failureOf({ proxy: url, timeoutMs: 100 });
    expect(error.code).toBe('LINK_TIMEOUT');
    expect(error.message).toContain('no answer of the proxy to CONNECT within 100 ms');
    await eventually(() => open.size === 0);
  });

  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['nothing', ''],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
  ])('is LINK_PROXY where it says %s', async (_what, answer) => {
    const { url, open } = await startScripted(answer);
    expect(await failureOf({ proxy: url })).toMatchObject({ code: 'LINK_PROXY' });
    await eventually(() => open.size === 0);
  });

  it('is LINK_PROXY for a kind of proxy we do not know', async () => {
    setEnv({ HTTPS_PROXY: `socks5://user:${SECRETS[1]}@127.0.0.1:1080` });
    const error = await failureOf({ proxy: 'env' });
    expect(error).toMatchObject({ code: 'LINK_PROXY', message: expect.stringContaining('socks5') });
  });

  it('gives up when told to, in the middle of CONNECT', async () => {
    const { url, open } = await startScripted();
    const abort = new AbortController();
    const failing = failureOf({ proxy: url, signal: abort.signal });
    await eventually(() => open.size === 1);
    const [socket] = open;
    if (socket?.bytesRead === 0) await once(socket, 'data');
    abort.abort();
    expect(await failing).toMatchObject({ code: 'LINK_CLOSED' });
    await eventually(() => open.size === 0);
  });
});
