/**
 * What a connector may be led to by names, redirects, certificates and other connectors, with both processes running: it dials what
 * its rules say, and the tunnel that a hostname is routed to keeps it. docs/security.md "Connectors and tunnels".
 */
import { once } from 'node:events';
import { createServer } from 'node:https';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';

import { startAttackLab, type AttackLab } from '../support/attack-lab.ts';
import { auditEvents } from '../support/audit-log.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector, type IngressEntry } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { OwnResolver } from '../support/own-resolver.ts';
import { codeIn, fieldsIn, statusIn } from '../support/raw-client.ts';
import { startHttpListener } from '../support/real/http-listener.ts';
import { portOf } from '../support/real/port.ts';
import {
  makeCertificates,
  type KeyPair,
  type TestCertificates,
} from '../support/test-authority.ts';

/** What the connector's machine knows: names that lead where no rule should by accident. */
const NAMES = {
  'metadata.internal': '169.254.169.254',
  'metadata6.internal': 'fd00:ec2::254',
  'mapped.internal': '::ffff:169.254.169.254',
  'nat64.internal': '64:ff9b::a9fe:a9fe',
  'link-local.internal': 'fe80::1',
  'anything.internal': '0.0.0.0',
  'anything6.internal': '::',
  'alibaba.internal': '100.100.100.200',
  'azure.internal': '168.63.129.16',
  'multicast.internal': '224.0.0.1',
  'broadcast.internal': '255.255.255.255',
} as const;
const MOVING = 'moving.postern.test';
const CHAT = 'chat.postern.test';
const CERTIFICATES = ['good', 'expired', 'otherName', 'selfSigned'] as const;

const resolver = new OwnResolver();
const hostnameFor = (name: string): string => `${name.split('.', 1).join()}.postern.test`;

let lab: AttackLab;
let server: WebSocketServer;
/** Requests that got through TLS to an origin, by the hostname they were for. */
const secured: string[] = [];

beforeAll(async () => {
  const certificates = await makeCertificates();
  const ports = await Promise.all(CERTIFICATES.map((name) => startSecure(certificates[name])));
  const chat = await startHttpListener((_request, response) => response.end('first'));
  server = new WebSocketServer({ server: chat.server });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  resolver.know({ ...NAMES, 'moving.internal': '127.0.0.1' });
  const moving = await startHttpListener((_request, response) => {
    response.shouldKeepAlive = false;
    response.end('here');
  });
  const tlsRules = CERTIFICATES.flatMap((name, at) =>
    tlsRulesOf(name, ports[at] ?? 0, certificates),
  );
  lab = await startAttackLab({
    connector: { inside: resolver.inside },
    routes: [CHAT],
    ingress: [
      ...Object.keys(NAMES).map((name) => ({
        hostname: hostnameFor(name),
        service: `http://${name}:80`,
      })),
      { hostname: MOVING, service: `http://moving.internal:${moving.port}` },
      { hostname: CHAT, service: chat.service },
      ...tlsRules,
    ],
  });
});

function tlsRulesOf(name: string, port: number, { caFile }: TestCertificates): IngressEntry[] {
  const service = `https://127.0.0.1:${port}`;
  const hostname = `${name.toLowerCase()}.postern.test`;
  return [
    { hostname, service, originRequest: { caPool: caFile, originServerName: 'localhost' } },
    { hostname: `unknown-${hostname}`, service },
    { hostname: `unchecked-${hostname}`, service, originRequest: { noTLSVerify: true } },
  ];
}

async function startSecure(pair: KeyPair): Promise<number> {
  const secure = createServer(pair, (request, response) => {
    secured.push(String(request.headers.host));
    response.end('secured');
  });
  secure.on('tlsClientError', () => undefined);
  await once(secure.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => {
    secure.close();
    secure.closeAllConnections();
  });
  return portOf(secure);
}

function get(host: string, path = '/'): Promise<string> {
  return lab.exchange(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
}

describe('K7 a rule with a name', () => {
  it.each(Object.entries(NAMES))('%s that leads to %s is refused', async (name, address) => {
    const answer = await get(hostnameFor(name));
    expect([statusIn(answer), codeIn(answer)]).toEqual([502, 'ORIGIN_FORBIDDEN']);
    expect(answer).not.toContain(address);
    await eventually(() => {
      const told = lab.connector.log.find(
        ({ errCode, hostname }) => errCode === 'ORIGIN_FORBIDDEN' && hostname === hostnameFor(name),
      );
      expect(JSON.stringify(told)).toContain('address');
    });
  });

  it('is dialled where it leads now, and refused as soon as it leads elsewhere', async () => {
    expect(await get(MOVING)).toMatch(/here$/);
    resolver.know({ ...NAMES, 'moving.internal': '169.254.169.254' });
    expect(codeIn(await get(MOVING))).toBe('ORIGIN_FORBIDDEN');
    resolver.know({ ...NAMES, 'moving.internal': '127.0.0.1' });
    expect(await get(MOVING)).toMatch(/here$/);
  });
});

describe('K8 a redirect of an origin', () => {
  it.each([301, 302, 303, 307, 308])('%i is passed on and not followed', async (status) => {
    const location = 'http://169.254.169.254/latest/meta-data/';
    const others = 'X-Accel-Redirect: /secret\r\nRefresh: 0;url=http://127.0.0.1/\r\n';
    const head = `HTTP/1.1 ${status} Elsewhere\r\nLocation: ${location}\r\n${others}`;
    lab.origin.answer('/redirect', `${head}Content-Length: 0\r\n\r\n`);
    const reached = await lab.reached(async () => {
      const answer = await get('app.postern.test', '/redirect');
      expect([statusIn(answer), fieldsIn(answer).get('location')]).toEqual([status, [location]]);
    });
    expect(reached.map(({ target }) => target)).toEqual(['/redirect']);
  });
});

describe('K9 an origin with TLS', () => {
  const expectRefused = async (hostname: string): Promise<void> => {
    const answer = await get(hostname);
    expect([statusIn(answer), codeIn(answer)]).toEqual([502, 'ORIGIN_TLS']);
    expect(secured).not.toContain(hostname);
  };

  it('whose certificate is good is spoken to', async () => {
    expect(await get('good.postern.test')).toMatch(/secured$/);
    expect(secured).toContain('good.postern.test');
  });

  it.each(['expired', 'othername', 'selfsigned'])(
    'whose certificate is %s hears no request',
    async (name) => expectRefused(`${name}.postern.test`),
  );

  it.each(CERTIFICATES.map((name) => name.toLowerCase()))(
    'whose authority nobody knows hears none either: %s',
    async (name) => expectRefused(`unknown-${name}.postern.test`),
  );

  it.each(CERTIFICATES.map((name) => name.toLowerCase()))(
    'is spoken to unchecked only where the rule says so: %s',
    async (name) => expect(await get(`unchecked-${name}.postern.test`)).toMatch(/secured$/),
  );
});

describe('K4 K5 a connector of another tunnel', () => {
  it('that announces a hostname in use gets none of it; a live WebSocket and new requests stay where they are', async () => {
    const { port, ...options } = lab.gateway.connectOptions(CHAT);
    const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
      ...options,
      headers: { host: CHAT },
    });
    cleanup(() => socket.terminate());
    await once(socket, 'open');
    const says = async (text: string): Promise<void> => {
      const heard = once(socket, 'message');
      socket.send(text);
      expect(String((await heard)[0])).toBe(text);
    };
    await says('before');

    const tunnel = await lab.gateway.createTunnel('taker', ['taker.postern.test']);
    const services = [CHAT, 'taker.postern.test'].map((hostname) => ({
      hostname,
      service: 'http_status:418',
    }));
    const taker = await startConnector({ gateway: lab.gateway, tunnel, ingress: services });
    await taker.linksUp();
    await eventually(async () => {
      const events = (await auditEvents(lab.gateway)).filter(
        ({ type }) => type === 'connector.hostname-refused',
      );
      expect(events).toEqual([expect.objectContaining({ hostname: CHAT, tunnel: 'taker' })]);
    });
    expect(statusIn(await get('taker.postern.test'))).toBe(418);
    for (let round = 0; round < 20; round += 1) expect(await get(CHAT)).toMatch(/first$/);
    await says('while another wants it');

    // It takes an administrator; what is live belongs to its two ends and stays with them.
    const refused = await lab.gateway.cli('tunnel', 'route', 'add', 'taker', CHAT);
    expect(refused.stderr).toContain('ROUTE_CONFLICT');
    await lab.gateway.json('tunnel', 'route', 'remove', CHAT);
    await lab.gateway.json('tunnel', 'route', 'add', 'taker', CHAT);
    for (let round = 0; round < 20; round += 1) expect(statusIn(await get(CHAT))).toBe(418);
    await says('after it moved');
    expect(server.clients.size).toBe(1);
  });
});
