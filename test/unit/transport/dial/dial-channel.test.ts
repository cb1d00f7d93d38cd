import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { connect, createServer, type LookupFunction, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { inspect } from 'node:util';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocketServer } from 'ws';

import { isPosternError, type PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { dialChannel, type DialOptions } from '../../../../src/transport/dial/dial-channel.ts';
import type { WsFrameChannel } from '../../../../src/transport/ws-frame-channel.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { startProcess } from '../../../support/processes.ts';
import { freePort } from '../../../support/real/port.ts';
import { mustRun, posternEnv } from '../../../support/run.ts';
import { listen, record, startLinkServer } from '../link-ends.ts';
import { makeCertificates, type TestCertificates } from '../../../support/test-authority.ts';

let certificates: TestCertificates;
beforeAll(async () => {
  certificates = await makeCertificates();
});

async function dial(options: DialOptions): Promise<WsFrameChannel> {
  const channel = await dialChannel(options);
  cleanup(() => channel.terminate());
  return channel;
}

/** What a dial rejects with. */
async function failureOf(options: DialOptions): Promise<PosternError> {
  try {
    await dial(options);
  } catch (error) {
    if (isPosternError(error)) return error;
    throw error;
  }
  throw new Error('The dial was expected to fail');
}

/** Dials in a process of its own, as Node reads some variables when it starts. Returns `open` or the code of the error. */
async function dialInOwnProcess(
  options: DialOptions,
  env: Record<string, string>,
): Promise<string> {
  const built = resolve(import.meta.dirname, '../../../../dist/transport/dial/dial-channel.js');
  const script = `
    const { dialChannel } = await import(${JSON.stringify(built)});
    const said = await dialChannel(${JSON.stringify(options)}).then(() => 'open', (error) => error.code);
    process.stdout.write(said, () => process.exit());`;
  const args = ['--input-type=module', '-e', script];
  const { stdout } = await mustRun(process.execPath, args, { env: posternEnv(env) });
  return stdout;
}

/** A server that takes connections and hands them to `onSocket`; without one it never says a word. */
async function startMute(
  onSocket: (socket: Socket) => void = () => undefined,
): Promise<{ port: number; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.resume();
    onSocket(socket);
  });
  return { port: await listen(server), open };
}

/** A web server that is no gateway. */
async function startWeb(answer: RequestListener): Promise<string> {
  const server = createHttpServer(answer);
  return `http://127.0.0.1:${await listen(server)}`;
}

/** Resolves every name to these addresses. */
function toAddresses(...addresses: { address: string; family: number }[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family);
  };
}

const toLocalhost = toAddresses({ address: '127.0.0.1', family: 4 });

describe('dialChannel()', () => {
  it('opens a channel over TLS to a gateway with a private authority', async () => {
    const server = await startLinkServer(certificates.good);
    const channel = await dial({ url: server.url, ca: certificates.ca });
    const accepted = await server.next();
    const recorder = record(accepted);
    channel.send([Buffer.from('hello')]);
    await eventually(() => recorder.frames.length === 1);
    expect(channel.remotePort).toBe(server.port);
    expect(accepted.remoteAddress).toBe('127.0.0.1');
  });

  it('takes the extra authority as bytes, with others around it', async () => {
    const server = await startLinkServer(certificates.good);
    const ca = Buffer.from(`${certificates.selfSigned.cert}\n${certificates.ca}`);
    await dial({ url: server.url, ca });
  });

  it('opens a channel without TLS', async () => {
    const server = await startLinkServer();
    await dial({ url: new URL(server.url) });
    await server.next();
  });

  it.each(['127.0.0.1', 'localhost', 'gw.postern.test'])(
    'checks the certificate for %s',
    async (host) => {
      const server = await startLinkServer(certificates.good);
      const url = `https://${host}:${server.port}`;
      await dial({ url, ca: certificates.ca, lookup: toLocalhost });
    },
  );

  it('goes on to the next address when the first one is dead', async () => {
    const server = await startLinkServer();
    const lookup = toAddresses({ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 });
    await dial({ url: `http://gw.postern.test:${server.port}`, lookup });
  });

  it('sends the headers it is given', async () => {
    const server = await startLinkServer();
    const upgrade = once(server.server, 'upgrade');
    await dial({ url: server.url, headers: { 'X-Test': 'one' } });
    const [request] = await upgrade;
    expect(request.headers).toMatchObject({ 'x-test': 'one', host: `localhost:${server.port}` });
    expect(request.headers.origin).toBeUndefined();
    expect(request.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('ignores path, query and user of the URL', async () => {
    const server = await startLinkServer();
    const upgrade = once(server.server, 'upgrade');
    await dial({ url: `http://user:secret@localhost:${server.port}/x?y=1` });
    const [request] = await upgrade;
    expect(request.url).toBe('/.postern/link');
    expect(request.headers.authorization).toBeUndefined();
  });

  it('resumes the TLS session when it dials again', async () => {
    const server = await startLinkServer(certificates.good);
    const resumed: boolean[] = [];
    server.server.on('secureConnection', (socket: TLSSocket) =>
      resumed.push(socket.isSessionReused()),
    );
    for (let count = 0; count < 2; count += 1) {
      const channel = await dial({ url: server.url, ca: certificates.ca });
      const recorder = record(channel);
      // The ticket comes with the first bytes behind the handshake.
      const accepted = await server.next();
      accepted.send([Buffer.from('frame')]);
      await eventually(() => recorder.frames.length === 1);
    }
    expect(resumed).toEqual([false, true]);
  });

  it('speaks HTTP/1.1 also to a gateway that would rather speak HTTP/2', async () => {
    const server = createTlsServer({ ...certificates.good, ALPNProtocols: ['h2', 'http/1.1'] });
    const port = await listen(server);
    const connection = once(server, 'secureConnection');
    const failing = failureOf({ url: `https://localhost:${port}`, ca: certificates.ca });
    const [socket] = await connection;
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
    expect(await failing).toMatchObject({ code: 'LINK_HANDSHAKE' });
  });
});

describe('dialChannel() fails with LINK_DNS', () => {
  it('for a name that does not exist', async () => {
    const error = await failureOf({ url: 'https://no-such-gateway.invalid:8443' });
    expect(error).toMatchObject({
      code: 'LINK_DNS',
      cause: expect.objectContaining({ syscall: 'getaddrinfo' }),
    });
    expect(error.message).toContain('"no-such-gateway.invalid" does not resolve');
  });

  it('when earlier lookups hang, instead of queueing more', async () => {
    const answers: (() => void)[] = [];
    const hang: LookupFunction = (_hostname, _options, callback) => {
      answers.push(() => callback(Object.assign(new Error('late'), { code: 'EAI_AGAIN' }), ''));
    };
    const url = 'https://gw.postern.test:8443';
    const dials = Array.from({ length: LIMITS.pendingLookups }, () =>
      failureOf({ url, lookup: hang, timeoutMs: 20 }),
    );
    for (const error of await Promise.all(dials)) {
      expect(error.code).toBe('LINK_TIMEOUT');
    }
    const error = await failureOf({ url, lookup: hang });
    expect(error).toMatchObject({
      code: 'LINK_DNS',
      message: expect.stringContaining('1024 earlier'),
    });
    expect(answers.length).toBe(LIMITS.pendingLookups);
    for (const answer of answers) answer();
    expect(await failureOf({ url, lookup: hang, timeoutMs: 20 })).toMatchObject({
      code: 'LINK_TIMEOUT',
    });
    answers.at(-1)?.();
  });
});

describe('dialChannel() fails with LINK_REFUSED', () => {
  it('where nobody listens, and names every address', async () => {
    const port = await freePort();
    const lookup = toAddresses({ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 });
    const error = await failureOf({ url: `https://gw.postern.test:${port}`, lookup });
    expect(error.code).toBe('LINK_REFUSED');
    expect(error.message).toBe(
      `Cannot dial gateway "gw.postern.test:${port}": connection refused (::1, 127.0.0.1)`,
    );
  });
});

describe('dialChannel() fails with LINK_TIMEOUT', () => {
  it.each([
    ['https', 'the TLS handshake did not end within 100 ms'],
    ['http', 'no answer to the WebSocket upgrade within 100 ms'],
  ])('when nothing comes back over %s, and leaves no connection', async (scheme, text) => {
    const { port, open } = await startMute();
    const error = await failureOf({ url: `${scheme}://127.0.0.1:${port}`, timeoutMs: 100 });
    expect(error).toMatchObject({ code: 'LINK_TIMEOUT', message: expect.stringContaining(text) });
    await eventually(() => open.size === 0);
  });

  it('after connectMs when the packets of the TCP connection vanish', async () => {
    const port = await startFull();
    const error = await failureOf({ url: `https://127.0.0.1:${port}`, connectMs: 150 });
    expect(error).toMatchObject({
      code: 'LINK_TIMEOUT',
      message: expect.stringContaining('no answer to the TCP connection within 150 ms'),
    });
  });

  it('when the body of a refusal never ends', async () => {
    const url = await startWeb((_req, res) => void res.writeHead(500).write('never '));
    expect(await failureOf({ url, timeoutMs: 100 })).toMatchObject({ code: 'LINK_TIMEOUT' });
  });
});

/** The LINK_TLS with which a dial to a server with this certificate fails. */
async function tlsFailure(
  pick: (all: TestCertificates) => { key: string; cert: string },
  more: Partial<DialOptions> = {},
): Promise<PosternError> {
  const server = await startLinkServer(pick(certificates));
  const error = await failureOf({ url: server.url, ...more });
  expect(error.code).toBe('LINK_TLS');
  expect(error.message).toContain(`"localhost:${server.port}"`);
  expect(error.cause).toBeDefined();
  return error;
}

describe('dialChannel() fails with LINK_TLS', () => {
  it('for an unknown authority, and says what to do', async () => {
    const { message } = await tlsFailure((all) => all.good);
    expect(message).toMatch(/an authority that is not known here; .* "ca:"$/);
  });

  it('for an unknown authority also when another one is given', async () => {
    const { message } = await tlsFailure((all) => all.good, { ca: certificates.selfSigned.cert });
    expect(message).toContain('"ca:"');
  });

  it('for a self-signed certificate, which "ca" can name itself', async () => {
    const { message } = await tlsFailure((all) => all.selfSigned);
    expect(message).toMatch(/self-signed .* "ca:"$/);
    const server = await startLinkServer(certificates.selfSigned);
    await dial({ url: server.url, ca: certificates.selfSigned.cert });
  });

  it('for an expired certificate', async () => {
    const { message } = await tlsFailure((all) => all.expired, { ca: certificates.ca });
    expect(message).toContain('expired');
  });

  it('for a certificate of another name, and says which', async () => {
    const { message } = await tlsFailure((all) => all.otherName, { ca: certificates.ca });
    expect(message).toContain('for "DNS:elsewhere.test" and not for "localhost"');
  });

  it('whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
    const server = await startLinkServer(certificates.good);
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    expect(await dialInOwnProcess({ url: server.url }, env)).toBe('LINK_TLS');
  });

  it('where plain HTTP is spoken', async () => {
    const server = await startLinkServer();
    const error = await failureOf({ url: `https://localhost:${server.port}` });
    expect(error).toMatchObject({
      code: 'LINK_TLS',
      message: expect.stringContaining('plain HTTP'),
    });
  });

  it('for a version below 1.2', async () => {
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const server = createTlsServer({ ...certificates.good, ...old });
    server.on('tlsClientError', () => undefined);
    const port = await listen(server);
    const error = await failureOf({ url: `https://localhost:${port}`, ca: certificates.ca });
    expect(error).toMatchObject({
      code: 'LINK_TLS',
      message: expect.stringContaining('handshake'),
    });
  });

  it('where the connection is closed at once', async () => {
    const { port } = await startMute((socket) => socket.destroy());
    const error = await failureOf({ url: `https://127.0.0.1:${port}` });
    expect(error).toMatchObject({ code: 'LINK_TLS', message: expect.stringContaining('closed') });
  });

  it('and with CONFIG_TLS for a "ca" that is no certificate', async () => {
    const server = await startLinkServer(certificates.good);
    for (const ca of ['', 'nonsense', certificates.good.key]) {
      expect(await failureOf({ url: server.url, ca })).toMatchObject({ code: 'CONFIG_TLS' });
    }
  });
});

describe('dialChannel() and NODE_EXTRA_CA_CERTS', () => {
  it.each([
    ['alone', () => undefined],
    ['beside another authority in "ca"', () => certificates.selfSigned.cert],
  ])('trusts the authorities in it, %s', async (_how, ca) => {
    const server = await startLinkServer(certificates.good);
    const env = { NODE_EXTRA_CA_CERTS: certificates.caFile };
    expect(await dialInOwnProcess({ url: server.url, ca: ca() }, env)).toBe('open');
    expect(await dialInOwnProcess({ url: server.url, ca: ca() }, {})).toBe('LINK_TLS');
  });
});

describe('dialChannel() fails with LINK_HANDSHAKE', () => {
  it('for an HTTP answer, with status and the start of the body on one line', async () => {
    const url = await startWeb((_req, res) => {
      res.writeHead(404, 'Not Here').end(`<h1>No\n\u001b[31msuch "page"</h1>${'x'.repeat(20_000)}`);
    });
    const { code, message } = await failureOf({ url });
    expect(code).toBe('LINK_HANDSHAKE');
    expect(message).toContain(
      String.raw`it answers the upgrade with 404 "Not Here": "<h1>No [31msuch \"page\"</h1>xxx`,
    );
    expect(message.length).toBeLessThan(400);
  });

  it('for a redirect, which it does not follow', async () => {
    const url = await startWeb((_req, res) => res.writeHead(302, { Location: 'https://x' }).end());
    const { code, message } = await failureOf({ url });
    expect([code, message.split(': ')[1]]).toEqual([
      'LINK_HANDSHAKE',
      'it answers the upgrade with 302 "Found"',
    ]);
  });

  it('without repeating what the headers of the dial held', async () => {
    const url = await startWeb((req, res) => res.end(JSON.stringify(req.headers)));
    const token = 'pst_0123456789abcdef';
    const error = await failureOf({
      url,
      headers: { Authorization: `Bearer ${token}`, 'X-Key': token },
    });
    expect(error.message).toContain('Bearer …');
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(token);
  });

  it('for a WebSocket server without our subprotocol', async () => {
    const server = createHttpServer();
    const sockets = new WebSocketServer({ server, handleProtocols: () => false });
    cleanup(() => sockets.close());
    const url = `http://127.0.0.1:${await listen(server)}`;
    const { code, message } = await failureOf({ url });
    expect([code, message]).toEqual(['LINK_HANDSHAKE', expect.stringContaining('no subprotocol')]);
  });

  it.each([
    ['something that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    [
      'a wrong accept value',
      'HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
    ],
    ['an endless header', `HTTP/1.1 200 x\r\nX: ${'x'.repeat(100_000)}`],
  ])('for %s', async (_what, answer) => {
    const { port, open } = await startMute((socket) => socket.write(answer));
    const error = await failureOf({ url: `http://127.0.0.1:${port}` });
    expect(error).toMatchObject({
      code: 'LINK_HANDSHAKE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await eventually(() => open.size === 0);
  });

  it('for a connection that is closed instead of an answer', async () => {
    const { port } = await startMute((socket) => socket.on('data', () => socket.end()));
    const error = await failureOf({ url: `http://127.0.0.1:${port}` });
    expect(error).toMatchObject({ code: 'LINK_HANDSHAKE' });
  });
});

describe('dialChannel() given up', () => {
  it('before it starts, opens nothing', async () => {
    const { port, open } = await startMute();
    const error = await failureOf({ url: `http://127.0.0.1:${port}`, signal: AbortSignal.abort() });
    expect(error).toMatchObject({
      code: 'LINK_CLOSED',
      message: expect.stringContaining('given up'),
    });
    expect(open.size).toBe(0);
  });

  it.each(['http', 'https'])('in the middle of %s, closes what was opened', async (scheme) => {
    const abort = new AbortController();
    const { port, open } = await startMute((socket) => socket.once('data', () => abort.abort()));
    const error = await failureOf({ url: `${scheme}://127.0.0.1:${port}`, signal: abort.signal });
    expect(error.code).toBe('LINK_CLOSED');
    await eventually(() => open.size === 0);
  });

  it('too late, has no effect on the channel', async () => {
    const server = await startLinkServer();
    const abort = new AbortController();
    const channel = await dial({ url: server.url, signal: abort.signal });
    abort.abort();
    const far = record(await server.next());
    channel.send([Buffer.from('alive')]);
    await eventually(() => far.frames.length === 1);
    expect(far.closes).toEqual([]);
  });
});

describe('dialChannel() and URLs', () => {
  it.each(['gw.test:8443', 'ftp://gw.test', 'https://user:hunter2@', ''])(
    'refuses "%s"',
    async (url) => {
      const error = await failureOf({ url });
      expect(error.code).toBe('CONFIG_INVALID');
      expect(inspect(error, { depth: null })).not.toContain('hunter2');
    },
  );
});

/** A port whose listener is stopped and full, so that the kernel drops what comes. */
async function startFull(): Promise<number> {
  const script = `require('net').createServer().listen(
    { port: 0, host: '127.0.0.1', backlog: 1 },
    function () { console.log('on ' + this.address().port); },
  )`;
  const stopped = startProcess(process.execPath, ['-e', script]);
  const port = Number((await stopped.waitForLine(/^on (\d+)$/))[1]);
  stopped.kill('SIGSTOP');
  const waiting = Array.from({ length: 8 }, () => connect(port, '127.0.0.1'));
  for (const socket of waiting) socket.on('error', () => undefined);
  cleanup(() => {
    for (const socket of waiting) socket.destroy();
    stopped.kill('SIGKILL');
  });
  await eventually(() => waiting.some(({ connecting }) => !connecting));
  // The queue holds two; the others get no answer.
  await eventually(() => waiting.filter(({ connecting }) => connecting).length >= 5);
  return port;
}
