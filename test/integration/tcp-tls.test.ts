/**
 * TCP ports at which TLS ends: what comes out at the origin is what went into TLS, each direction ends by itself, a cut
 * is a reset, and who does not speak a TLS of today gets nowhere.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { patternBytes, PatternCheck } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess } from '../support/processes.ts';
import { resetSocket, whenPeerEnds, whenReset, type PeerEnd } from '../support/real/peer-end.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';
import { dialTls, type TlsClient } from '../support/tls-client.ts';
import { requireTools, toolPath } from '../support/tools.ts';

const MiB = 1024 * 1024;
const ECHO = 'echo.postern.test';
const HANDED = 'handed.postern.test';
const REFUSED = 'refused.postern.test';

let gateway: Gateway;
let connector: Connector;
let origin: HandingOrigin;

beforeAll(async () => {
  requireTools('openssl');
  origin = await startHandingOrigin();
  const echo = await startEcho();
  const tcp = [ECHO, HANDED, REFUSED].map((hostname) => ({ hostname, tls: 'terminate' }));
  ({ gateway, connector } = await startPostern({
    tcp,
    ingress: [
      { hostname: ECHO, service: echo.service },
      { hostname: HANDED, service: origin.service },
      // Port 1 is reserved and nobody listens on it.
      { hostname: REFUSED, service: 'tcp://127.0.0.1:1' },
    ],
  }));
  guardLinks(connector);
});

function trust(hostname: string): { readonly ca: string; readonly servername: string } {
  const { ca, servername } = gateway.connectOptions(hostname);
  return { ca, servername };
}

function dial(hostname: string): TlsClient {
  return dialTls(gateway.tcpPort(hostname), trust(hostname));
}

/** A client and its connection at the origin. */
async function pair(): Promise<TlsClient & { readonly server: Socket }> {
  const client = dial(HANDED);
  return { ...client, server: await origin.next() };
}

/** Reads to the end and checks every byte. */
async function readPattern(socket: Socket): Promise<number> {
  const check = new PatternCheck();
  socket.on('data', (chunk: Buffer) => check.push(chunk));
  await once(socket, 'end');
  return check.bytes;
}

function endOf(socket: Socket): Promise<PeerEnd> {
  return new Promise((resolve) => {
    whenPeerEnds(socket, resolve);
  });
}

describe('a client that speaks TLS', () => {
  it('has its bytes echoed, and the port proves its name', async () => {
    const { socket } = dial(ECHO);
    await once(socket, 'secureConnect');
    expect([socket.authorized, socket.getProtocol()]).toEqual([true, 'TLSv1.3']);
    const echoed = readPattern(socket);
    socket.end(patternBytes(16 * MiB));
    expect(await echoed).toBe(16 * MiB);
  });

  it('may be openssl', async () => {
    const port = gateway.tcpPort(ECHO);
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', ECHO];
    const verify = ['-CAfile', gateway.caFile, '-verify_return_error', '-verify_hostname', ECHO];
    const client = startProcess(
      toolPath('openssl'),
      [...args, ...verify, '-quiet', '-no_ign_eof'],
      { name: 'openssl' },
    );
    client.stdin.write('is anybody there?\n');
    await client.waitForLine(/^is anybody there\?$/);
    client.stdin.end();
    expect(await client.exited).toEqual({ code: 0, signal: null });
    expect(client.stdout).toBe('is anybody there?\n');
  });

  it('may end and then be answered at length', async () => {
    const { socket, server } = await pair();
    socket.end(patternBytes(4 * MiB));
    expect(await readPattern(server)).toBe(4 * MiB);
    const answer = readPattern(socket);
    server.end(patternBytes(8 * MiB));
    expect(await answer).toBe(8 * MiB);
  });

  it('may go on sending after the origin has ended', async () => {
    const { socket, server } = await pair();
    server.end(patternBytes(4 * MiB));
    expect(await readPattern(socket)).toBe(4 * MiB);
    const rest = readPattern(server);
    socket.end(patternBytes(8 * MiB));
    expect(await rest).toBe(8 * MiB);
  });

  it('that breaks off is a reset for the origin', async () => {
    const { socket, carrier, server } = await pair();
    socket.write('there');
    await once(server, 'data');
    const end = endOf(server);
    resetSocket(carrier);
    expect(await end).toBe('reset');
  });

  it('learns of a reset by the origin as a reset', async () => {
    const { socket, carrier, server } = await pair();
    server.write('there');
    await once(socket, 'data');
    const reset = whenReset(carrier);
    resetSocket(server);
    await reset;
  });

  it('is reset when the origin refuses', async () => {
    const { socket, carrier } = dial(REFUSED);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (bytes += chunk.byteLength));
    await whenReset(carrier);
    expect(bytes).toBe(0);
  });
});

describe('a client that does not', () => {
  it('speaking in plain text learns nothing, and the origin never hears of it', async () => {
    const before = origin.accepted();
    const client = connect({ port: gateway.tcpPort(HANDED), host: '127.0.0.1' });
    cleanup(() => client.destroy());
    client.on('error', () => undefined);
    const said: Buffer[] = [];
    client.on('data', (chunk: Buffer) => said.push(chunk));
    client.write('GET / HTTP/1.1\r\nHost: handed.postern.test\r\n\r\n');
    await once(client, 'close');
    // At most an alert (21): never an answer.
    expect(Buffer.concat(said).subarray(0, 1).toString('hex')).toMatch(/^(?:15)?$/);
    expect(origin.accepted()).toBe(before);
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('but %s is refused', async (version) => {
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await failureOf(old)).toMatch(/^ERR_SSL_(?:TLSV1_ALERT_PROTOCOL_VERSION|.*VERSION.*)$/);
  });

  it('trust the authority breaks off the handshake, and the gateway lives', async () => {
    expect(await failureOf({ ca: [] })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    const { socket } = dial(ECHO);
    const echoed = readPattern(socket);
    socket.end(patternBytes(1000));
    expect(await echoed).toBe(1000);
  });

  /** The code with which a handshake at the port of the handing origin fails; no connection may reach the origin. */
  async function failureOf(options: ConnectionOptions): Promise<unknown> {
    const before = origin.accepted();
    const port = gateway.tcpPort(HANDED);
    const client = connectTls({ port, host: '127.0.0.1', ...trust(HANDED), ...options });
    cleanup(() => client.destroy());
    const failed = new Promise<unknown>((resolve, reject) => {
      client.on('error', (error) => resolve(Reflect.get(error, 'code')));
      client.on('secureConnect', () => reject(new Error('The handshake succeeded')));
    });
    const code = await failed;
    expect(origin.accepted()).toBe(before);
    return code;
  }
});

it('no stream is left behind', async () => {
  await eventually(async () => {
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
  });
});
