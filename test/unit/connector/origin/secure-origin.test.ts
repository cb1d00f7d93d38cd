import { once } from 'node:events';
import { connect, createServer as createNetServer, type Socket } from 'node:net';
import { createSecureContext, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { secureOrigin, type TlsTarget } from '../../../../src/connector/origin/secure-origin.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { selfSigned, TestAuthority, type KeyPair } from '../../../support/test-authority.ts';
import { nextChunk } from './next-chunk.ts';
import { firstOf, listen, startSilentServer } from './deaf-server.ts';

const forever = new AbortController().signal;
let authority: TestAuthority;
let app: KeyPair;

beforeAll(async () => {
  authority = await TestAuthority.create();
  app = await authority.issue({ dns: ['app.internal'], ip: ['127.0.0.1'] });
});

interface TlsServer {
  readonly port: number;
  /** What each client asked for. */
  readonly names: unknown[];
  readonly sockets: TLSSocket[];
}

async function startTlsServer(options: TlsOptions): Promise<TlsServer> {
  const names: TlsServer['names'] = [];
  const sockets: TLSSocket[] = [];
  const server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
    names.push(socket.servername);
    sockets.push(socket);
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  return { port: await listen(server), names, sockets };
}

async function secure(
  port: number,
  target: Partial<TlsTarget> = {},
  signal = forever,
): Promise<{ secured: TLSSocket; raw: Socket }> {
  const raw = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  cleanup(() => raw.destroy());
  await once(raw, 'connect');
  const defaults: TlsTarget = {
    origin: `127.0.0.1:${port}`,
    name: 'app.internal',
    verification: 'required',
    trust: createSecureContext({ ca: authority.pem }),
    alpn: ['http/1.1'],
  };
  try {
    const secured = await secureOrigin({ ...defaults, ...target }, raw, signal);
    cleanup(() => secured.destroy());
    return { secured, raw };
  } catch (error) {
    expect(raw.destroyed).toBe(true);
    throw error;
  }
}

describe('secureOrigin()', () => {
  it('verifies authority and name, sends the name, and speaks HTTP/1.1', async () => {
    const { port, names } = await startTlsServer({ ...app, ALPNProtocols: ['h2', 'http/1.1'] });
    const { secured } = await secure(port);
    expect(secured.alpnProtocol).toBe('http/1.1');
    await eventually(() => names.length === 1);
    expect(names).toEqual(['app.internal']);
  });

  it('works with an origin that has no ALPN', async () => {
    const { port } = await startTlsServer({ ...app });
    const { secured } = await secure(port);
    expect(secured.alpnProtocol).toBe(false);
  });

  it('verifies an address against the addresses of the certificate, and sends no name', async () => {
    const { port, names } = await startTlsServer({ ...app });
    await secure(port, { name: '127.0.0.1' });
    await eventually(() => names.length === 1);
    expect(names).toEqual([false]);
    await expect(secure(port, { name: '127.0.0.9' })).rejects.toMatchObject({ code: 'ORIGIN_TLS' });
  });

  it('compares international and absolute names in their normal form', async () => {
    const identity = await authority.issue({ dns: ['xn--bcher-kva.example'] });
    const { port, names } = await startTlsServer(identity);
    await secure(port, { name: 'Bücher.example.' });
    await eventually(() => names.length === 1);
    expect(names).toEqual(['xn--bcher-kva.example']);
  });

  it('K9: a certificate for another name is ORIGIN_TLS', async () => {
    const { port } = await startTlsServer({ ...app });
    await expect(secure(port, { name: 'other.internal' })).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: `Cannot speak TLS with "127.0.0.1:${port}": its certificate is not for "other.internal"; set originServerName to a name that it has`,
    });
  });

  it('K9: a self-signed certificate is ORIGIN_TLS', async () => {
    const { port } = await startTlsServer(await selfSigned({ dns: ['app.internal'] }));
    await expect(secure(port)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('self-signed; trust it with caPool'),
    });
  });

  it('K9: a certificate of an unknown authority is ORIGIN_TLS', async () => {
    const stranger = await TestAuthority.create('Stranger');
    const { port } = await startTlsServer(await stranger.issue({ dns: ['app.internal'] }));
    await expect(secure(port)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('authority is not trusted'),
    });
    const { port: known } = await startTlsServer({ ...app });
    await expect(secure(known, { trust: undefined })).rejects.toMatchObject({ code: 'ORIGIN_TLS' });
  });

  it('K9: an expired certificate is ORIGIN_TLS', async () => {
    const expired = await authority.issue({ dns: ['app.internal'], isExpired: true });
    const { port } = await startTlsServer(expired);
    await expect(secure(port)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('has expired'),
    });
  });

  it('K9: an origin that speaks no TLS is ORIGIN_TLS, and is not spoken to in the clear', async () => {
    const received: Buffer[] = [];
    const server = createNetServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received.push(chunk);
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      });
    });
    const port = await listen(server);
    await expect(secure(port)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('does not speak TLS on this port'),
    });
    // One TLS record of type handshake: 0x16 0x03.
    expect(Buffer.concat(received).subarray(0, 2).toString('hex')).toBe('1603');
  });

  it('K9: an origin that only has TLS 1.1 is ORIGIN_TLS', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const { port } = await startTlsServer({ ...app, ...old });
    await expect(secure(port)).rejects.toMatchObject({ code: 'ORIGIN_TLS' });
  });

  it('noTLSVerify: takes any certificate, only where it is asked for', async () => {
    const { port } = await startTlsServer(await selfSigned({ dns: ['other.internal'] }));
    const { secured } = await secure(port, { verification: 'none', trust: undefined });
    expect(secured.encrypted).toBe(true);
  });

  it('says ORIGIN_TLS when the origin hangs up during the handshake', async () => {
    const port = await listen(createNetServer((socket) => socket.destroy()));
    await expect(secure(port)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('closed the connection during the handshake'),
    });
  });

  it('abort during TLS: rejects with the reason and closes the connection', async () => {
    const { port, sockets } = await startSilentServer();
    const abort = new AbortController();
    const securing = secure(port, {}, abort.signal);
    const peer = await firstOf(sockets);
    const reason = new Error('no longer wanted');
    setImmediate(() => abort.abort(reason));
    await expect(securing).rejects.toBe(reason);
    await eventually(() => peer.destroyed);
  });

  it('half-close works over TLS in both directions', async () => {
    const { port, sockets } = await startTlsServer({ ...app });
    const { secured } = await secure(port);
    const peer = await firstOf(sockets);
    secured.end('request');
    await once(peer.resume(), 'end');
    peer.end('answer after your end');
    await expect(nextChunk(secured)).resolves.toBe('answer after your end');
    await once(secured, 'end');
  });

  it('an error before the caller listens does not end the process', async () => {
    const { port } = await startTlsServer({ ...app });
    const { secured } = await secure(port);
    secured.destroy(new Error('broken'));
    await eventually(() => secured.closed);
  });
});
