/**
 * TCP listeners that speak TLS: several hostnames on one port, TLS that is passed on, ended, or ended and begun again, and
 * users who must have a certificate.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import {
  connect as connectTls,
  createServer as createTlsServer,
  type ConnectionOptions,
  type TLSSocket,
} from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess } from '../support/processes.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { freePort, portOf } from '../support/real/port.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { requireTools, toolPath } from '../support/tools.ts';

const [ONE, TWO, WILD] = ['one.postern.test', 'two.postern.test', 'x.wild.postern.test'] as const;
const SECURE = 'secure.postern.test';
/** Of its users an application asks for one. */
const ANNS = 'anns.postern.test';

let gateway: Gateway;
/** Signs origins. */
let authority: TestAuthority;
/** Signs users, at first. */
let users: TestAuthority;
let usersFile: string;
let ports: { readonly passed: number; readonly ended: number; readonly certified: number };

/** Speaks TLS in the name of `hostname`, says it, and echoes. */
async function startTlsOrigin(hostname: string): Promise<number> {
  const identity = await authority.issue({ dns: [hostname] });
  const server = createTlsServer({ ...identity, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`origin ${hostname}\n`);
    socket.pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => server.close());
  return portOf(server);
}

/** Dials a port; refused connections are the test's to look at. */
function dial(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connectTls({ port, host: '127.0.0.1', ca: trusted(), ...options });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}

/** The authorities of the gateway and of the origins. */
function trusted(): string[] {
  return [gateway.ca, authority.pem];
}

async function firstLine(socket: Socket | TLSSocket): Promise<string> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

/** The session of a connection that works. */
async function sessionOf(socket: TLSSocket): Promise<Buffer> {
  const session = once(socket, 'session');
  expect(await firstLine(socket)).toBe('origin db.internal\n');
  const [bytes] = (await session) as [Buffer];
  return bytes;
}

function refusals(): string[] {
  return gateway.log
    .filter(({ msg }) => msg === 'TCP connection refused')
    .map((record) => JSON.stringify(record['err']));
}

/** Waits until one more connection is refused, and says why. */
async function refusalOf(begin: () => Socket): Promise<string> {
  const before = refusals().length;
  const socket = begin();
  await new Promise<void>((resolve) => socket.resume().once('close', () => resolve()));
  await eventually(() => refusals().length > before);
  return refusals().at(-1) ?? '';
}

/** What a client sends first, for those who send it in another way. */
async function helloFor(
  servername: string,
): Promise<{ hello: Buffer; readonly goOn: (over: Socket) => Promise<string> }> {
  let over: Socket | undefined;
  let sent: (chunk: Buffer) => void = () => undefined;
  const hello = new Promise<Buffer>((resolve) => (sent = resolve));
  const carrier = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      if (over === undefined) sent(chunk);
      else over.write(chunk);
      done();
    },
  });
  const socket = connectTls({ socket: carrier, ca: trusted(), servername });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return {
    hello: await hello,
    goOn: async (through) => {
      over = through;
      through.on('data', (chunk: Buffer) => carrier.push(chunk));
      return firstLine(socket);
    },
  };
}

function listeners(): Record<string, unknown>[] {
  const at = (port: number): string => `127.0.0.1:${port}`;
  return [
    { listen: at(ports.passed), hostnames: [ONE, TWO, '*.wild.postern.test'], tls: 'passthrough' },
    { listen: at(ports.ended), hostnames: [ONE, SECURE], tls: 'terminate' },
    { listen: at(ports.certified), hostnames: [SECURE, ANNS], tls: { 'client-ca': usersFile } },
  ];
}

beforeAll(async () => {
  requireTools('openssl');
  [authority, users] = [await TestAuthority.create(), await TestAuthority.create('Users')];
  usersFile = users.writeFile();
  ports = { passed: await freePort(), ended: await freePort(), certified: await freePort() };
  const caPool = authority.writeFile();
  const ingress = [];
  for (const hostname of [ONE, TWO, WILD]) {
    // One after the other: few, and their certificates take the same processor.
    // oxlint-disable-next-line no-await-in-loop
    ingress.push({ hostname, service: `tcp://127.0.0.1:${await startTlsOrigin(hostname)}` });
  }
  const secure = await startTlsOrigin('db.internal');
  const again = { originServerName: 'db.internal', caPool };
  ({ gateway } = await startPostern({
    config: {
      tcp: listeners(),
      applications: [
        {
          name: 'anns',
          hostname: ANNS,
          policies: [
            { action: 'bypass', include: [{ 'client-certificate': { name: 'ann.users.test' } }] },
          ],
        },
      ],
    },
    ingress: [
      ...ingress,
      { hostname: ANNS, service: `tcp+tls://127.0.0.1:${secure}`, originRequest: again },
      { hostname: SECURE, service: `tcp+tls://127.0.0.1:${secure}`, originRequest: again },
    ],
  }));
});

describe('several hostnames on a port that passes TLS on', () => {
  it.each([ONE, TWO, WILD, 'TWO.postern.test'])(
    'each leads to its origin: %s',
    async (servername) => {
      const socket = dial(ports.passed, { servername });
      expect(await firstLine(socket)).toBe(`origin ${servername.toLowerCase()}\n`);
      expect(socket.authorized).toBe(true);
      socket.write('there');
      expect(await firstLine(socket)).toBe('there');
    },
  );

  it('openssl finds its way, too', async () => {
    const where = ['-connect', `127.0.0.1:${ports.passed}`, '-servername', TWO];
    const verify = [
      '-CAfile',
      authority.writeFile(),
      '-verify_return_error',
      '-verify_hostname',
      TWO,
    ];
    const client = startProcess(toolPath('openssl'), ['s_client', ...where, ...verify, '-quiet'], {
      name: 'openssl',
    });
    await client.waitForLine(/^origin two\.postern\.test$/);
  });

  it('a name that comes in single bytes and in several records is read all the same', async () => {
    const { hello, goOn } = await helloFor(TWO);
    const split = 5 + 70;
    const heads = [split - 5, hello.length - split].map((length) => {
      const head = Buffer.from(hello.subarray(0, 5));
      head.writeUInt16BE(length, 3);
      return head;
    });
    const [first, second] = heads;
    const bytes = Buffer.concat([
      first ?? Buffer.alloc(0),
      hello.subarray(5, split),
      second ?? Buffer.alloc(0),
      hello.subarray(split),
    ]);
    const socket = connect({ port: ports.passed, host: '127.0.0.1', noDelay: true });
    cleanup(() => socket.destroy());
    await once(socket, 'connect');
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      // oxlint-disable-next-line no-await-in-loop -- one packet after the other
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await goOn(socket)).toBe(`origin ${TWO}\n`);
  });

  it.each([
    ['no name', {}, /TCP_NAME.*it names no server/],
    ['another name', { servername: SECURE }, /TCP_NAME.*secure\.postern\.test.* is not one of its/],
    ['what a wildcard is above', { servername: 'wild.postern.test' }, /TCP_NAME/],
  ])('%s is refused before anything is said', async (_, options, why) => {
    expect(await refusalOf(() => dial(ports.passed, options))).toMatch(why);
  });

  it('what is not TLS is refused', async () => {
    const socket = connect(ports.passed, '127.0.0.1');
    cleanup(() => socket.destroy());
    socket.write('SSH-2.0-OpenSSH_9.2\r\n');
    const reset = whenReset(socket);
    expect(await refusalOf(() => socket)).toMatch(/TCP_HELLO.*does not begin with TLS/);
    await reset;
  });
});

describe('several hostnames on a port where TLS ends', () => {
  it('one leads to an origin to which TLS is begun again', async () => {
    const socket = dial(ports.ended, { servername: SECURE });
    expect(await firstLine(socket)).toBe('origin db.internal\n');
    expect(socket.getPeerCertificate().subjectaltname).toContain('DNS:*.postern.test');
    socket.write('there');
    expect(await firstLine(socket)).toBe('there');
  });

  it('names that are not its own are refused', async () => {
    expect(await refusalOf(() => dial(ports.ended, { servername: TWO }))).toMatch(/TCP_NAME/);
  });
});

describe('a port where users need a certificate', () => {
  it('lets those in who have one, and carries them in TLS to the origin', async () => {
    const identity = await users.issue({ dns: ['ann'] });
    const socket = dial(ports.certified, { servername: SECURE, ...identity });
    expect(await firstLine(socket)).toBe('origin db.internal\n');
  });

  it('has an application ask for one of them', async () => {
    const ann = await users.issue({ dns: ['ann.users.test'] });
    const socket = dial(ports.certified, { servername: ANNS, ...ann });
    expect(await firstLine(socket)).toBe('origin db.internal\n');
    const ben = await users.issue({ dns: ['ben.users.test'] });
    const begin = () => dial(ports.certified, { servername: ANNS, ...ben });
    expect(await refusalOf(begin)).toMatch(/ACCESS_DENIED/);
  });

  it('refuses those without one, and with one of another authority', async () => {
    const begin = (identity: object) => () =>
      dial(ports.certified, { servername: SECURE, ...identity });
    expect(await refusalOf(begin({}))).toMatch(/TCP_CERTIFICATE/);
    const stranger = await authority.issue({ dns: ['ann'] });
    expect(await refusalOf(begin(stranger))).toMatch(
      /TCP_CERTIFICATE.*(?:UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|UNABLE_TO_GET_ISSUER)/,
    );
    const expired = await users.issue({ dns: ['ann'], isExpired: true });
    expect(await refusalOf(begin(expired))).toMatch(/TCP_CERTIFICATE.*CERT_HAS_EXPIRED/);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'takes no %s session that was agreed on where nobody is asked for one',
    async (version) => {
      const only = { minVersion: version, maxVersion: version } as const;
      const open = dial(ports.ended, { servername: SECURE, ...only });
      const session = await sessionOf(open);
      // Worth something where it was made.
      const again = dial(ports.ended, { servername: SECURE, ...only, session });
      await once(again, 'secureConnect');
      expect(again.isSessionReused()).toBe(true);
      const refused = refusalOf(() =>
        dial(ports.certified, { servername: SECURE, ...only, session }),
      );
      expect(await refused).toMatch(/TCP_CERTIFICATE/);
    },
  );

  it('counts what it refused, by why', async () => {
    const refused = (code: string) =>
      gateway.metric('postern_gateway_connections_refused_total', { code });
    const codes = ['TCP_NAME', 'TCP_HELLO', 'TCP_CERTIFICATE', 'ACCESS_DENIED'];
    const counts = await Promise.all(codes.map(refused));
    expect(counts).toEqual(
      codes.map((code) => refusals().filter((line) => line.includes(`"${code}"`)).length),
    );
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  it('goes by other authorities once their file is another, without a restart', async () => {
    const next = await TestAuthority.create('Next users');
    const old = await users.issue({ dns: ['ann'] });
    const held = dial(ports.certified, { servername: SECURE, ...old });
    const session = await sessionOf(held);
    writeFileSync(usersFile, next.pem);
    await eventually(() =>
      gateway.log.some(({ msg }) => /certificates are in force/.test(String(msg))),
    );
    const identity = await next.issue({ dns: ['ben'] });
    const socket = dial(ports.certified, { servername: SECURE, ...identity });
    expect(await firstLine(socket)).toBe('origin db.internal\n');
    const begin = () => dial(ports.certified, { servername: SECURE, ...old, session });
    expect(await refusalOf(begin)).toMatch(/TCP_CERTIFICATE/);
    held.write('still here');
    expect(await firstLine(held)).toBe('still here');
  });
});
