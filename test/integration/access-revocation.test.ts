/**
 * Revocation is live: what is open ends within a second of no longer being allowed, and nothing else does. Every process is a
 * real one; times are from the return of the command to the end that the user sees.
 */
import { readFileSync, writeFileSync } from 'node:fs';

import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { parse, stringify } from 'yaml';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { addUser, CookieBrowser } from '../support/cookie-browser.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const WIKI = 'wiki.postern.test';
const API = 'api.postern.test';
const PORT = 'port.postern.test';
const STAFF = [{ action: 'allow', include: [{ group: 'staff' }] }];
const MACHINES = [{ action: 'service-auth', include: [{ 'service-token': 'any' }] }];
const OPEN = [{ action: 'bypass', include: ['everyone'] }];
const OTHERS = 200;

let gateway: Gateway;
let web: HttpOrigin;

function applications(policies: {
  readonly wiki?: readonly object[];
  readonly port?: readonly object[];
}): object[] {
  const { wiki = STAFF, port = OPEN } = policies;
  return [
    { name: 'wiki', hostname: WIKI, policies: wiki },
    { name: 'api', hostname: API, policies: MACHINES },
    { name: 'port', hostname: PORT, policies: port },
  ];
}

beforeAll(async () => {
  const echo = await startEcho();
  web = await startHttpOrigin();
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: applications({}),
    },
    tcp: [PORT],
  });
  const tunnel = await gateway.createTunnel('all', ['*.postern.test']);
  const ingress = [
    { hostname: PORT, service: echo.service },
    ...[WIKI, API].map((hostname) => ({ hostname, service: web.service })),
  ];
  await startConnector({ gateway, tunnel, ingress });
  await addUser(gateway, 'ann', { email: 'ann@postern.test', groups: ['staff'] });
  await addUser(gateway, 'bob', { email: 'bob@postern.test', groups: ['staff'] });
});

beforeEach(async () => edit(applications({})));

/** Writes other applications into the file of the running gateway, and waits until they are in force. */
async function edit(changed: readonly object[]): Promise<void> {
  const config: Record<string, unknown> = parse(readFileSync(gateway.configFile, 'utf8'));
  if (JSON.stringify(config['applications']) === JSON.stringify(changed)) return;
  const inForce = (): number =>
    gateway.log.filter(({ msg }) => msg === 'the changed policies are in force').length;
  const before = inForce();
  writeFileSync(gateway.configFile, stringify({ ...config, applications: changed }));
  await eventually(() => inForce() > before, { what: 'the changed policies' });
}

async function signedIn(name: string): Promise<CookieBrowser> {
  const browser = new CookieBrowser(gateway);
  const page = await browser.visit(`https://${WIKI}:${gateway.ports.https}/echo`);
  const home = await browser.signIn(page, name);
  expect(home.status).toBe(200);
  return browser;
}

interface LiveSocket {
  readonly socket: WebSocket;
  /** The close code, and when it came. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string; readonly at: number }>;
}

async function openWebSocket(
  hostname: string,
  headers: Readonly<Record<string, string>>,
): Promise<LiveSocket> {
  const { port, host, ...tls } = gateway.connectOptions(hostname);
  const socket = new WebSocket(`wss://${host}:${port}/ws`, [], {
    ...tls,
    // A page of the application.
    headers: { host: hostname, origin: `https://${hostname}`, ...headers },
  });
  cleanup(() => socket.terminate());
  const closed = new Promise<{ code: number; reason: string; at: number }>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString(), at: performance.now() });
    });
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return { socket, closed };
}

async function auditEvents(type: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await gateway.cli('gateway', 'audit', 'export');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter((event) => event['type'] === type);
}

describe('C10 a live WebSocket', () => {
  it('ends with 4401 within a second of `sessions revoke`, and 200 others do not notice', async () => {
    const [ann, bob] = [await signedIn('ann'), await signedIn('bob')];
    const cookie = { cookie: ann.cookies(WIKI) };
    const mine = await openWebSocket(WIKI, cookie);
    const others = await Promise.all(
      Array.from({ length: OTHERS }, async () =>
        openWebSocket(WIKI, { cookie: bob.cookies(WIKI) }),
      ),
    );
    let lost = 0;
    for (const { closed } of others) void closed.then(() => (lost += 1));

    const sessions = (await gateway.json('gateway', 'sessions', 'list')) as {
      id: string;
      email: string;
    }[];
    expect(sessions.map(({ email }) => email)).toContain('ann@postern.test');
    await gateway.json('gateway', 'sessions', 'revoke', '--email', 'ann@postern.test');
    const revokedAt = performance.now();
    const { code, reason, at } = await mine.closed;
    say(`a WebSocket ended ${Math.round(at - revokedAt)} ms after "sessions revoke" returned`);
    expect({ code, reason }).toEqual({ code: 4401, reason: 'ACCESS_REVOKED' });
    expect(at - revokedAt).toBeLessThan(AT_ONCE_MS);

    // C9: the next request is not let in either, and a program gets 401.
    const again = await gateway.fetch(WIKI, '/echo', { headers: cookie });
    expect(again.status).toBe(401);
    for (const { socket } of others) {
      const echoed = new Promise((resolve) => socket.once('message', resolve));
      socket.send('still here');
      await echoed;
    }
    expect(lost).toBe(0);
    const ends = (await auditEvents('websocket.end')).filter(
      ({ actor }) => actor === 'ann@postern.test',
    );
    expect(ends.at(-1)).toMatchObject({
      detail: { application: 'wiki', reason: 'ACCESS_REVOKED' },
    });
  });

  it('ends when a service token is removed', async () => {
    const { id, secret } = (await gateway.json('gateway', 'service-token', 'create', 'ci')) as {
      id: string;
      secret: string;
    };
    const headers = { 'postern-service-token-id': id, 'postern-service-token-secret': secret };
    await eventually(async () => (await gateway.fetch(API, '/echo', { headers })).status === 200);
    const { closed } = await openWebSocket(API, headers);
    await gateway.json('gateway', 'service-token', 'revoke', 'ci');
    const removedAt = performance.now();
    const { code, at } = await closed;
    say(`a WebSocket ended ${Math.round(at - removedAt)} ms after its service token was removed`);
    expect(code).toBe(4401);
    expect(at - removedAt).toBeLessThan(AT_ONCE_MS);
    expect((await gateway.fetch(API, '/echo', { headers })).status).toBe(401);
  });
});

describe('C12 an edited policy', () => {
  it('ends what it no longer allows, and nothing else', async () => {
    const ann = await signedIn('ann');
    const { closed } = await openWebSocket(WIKI, { cookie: ann.cookies(WIKI) });
    const stream = openTcp(gateway.tcpPort(PORT));
    const echo = new EchoClient(stream, 0);
    await echo.round(10);
    await edit(applications({ wiki: [{ action: 'allow', include: [{ group: 'admins' }] }] }));
    const editedAt = performance.now();
    const { code, at } = await closed;
    expect(code).toBe(4401);
    expect(at - editedAt).toBeLessThan(AT_ONCE_MS);
    const denied = await ann.ask(`https://${WIKI}:${gateway.ports.https}/echo`);
    expect(denied.status).toBe(403);
    expect(denied.body.toString()).toContain('ann@postern.test');
    expect(denied.body.toString()).not.toMatch(/admins|staff|polic/);
    await echo.round(10);
    expect((await auditEvents('policy.change')).length).toBeGreaterThan(0);
  });

  it('C11 ends TCP streams too', async () => {
    const stream = openTcp(gateway.tcpPort(PORT));
    await new EchoClient(stream, 0).round(10);
    const ended = new Promise<number>((resolve) => {
      stream.on('close', () => resolve(performance.now()));
    });
    await edit(applications({ port: STAFF }));
    const editedAt = performance.now();
    const at = await ended;
    expect(at - editedAt).toBeLessThan(AT_ONCE_MS);
    await eventually(async () => {
      const [last] = (await auditEvents('tcp.end')).slice(-1);
      expect(last).toMatchObject({ hostname: PORT, detail: { reason: 'ACCESS_REVOKED' } });
    });
  });

  it('that cannot be understood changes nothing, and the log says so', async () => {
    const ann = await signedIn('ann');
    const live = await openWebSocket(WIKI, { cookie: ann.cookies(WIKI) });
    const good = readFileSync(gateway.configFile, 'utf8');
    writeFileSync(gateway.configFile, good.replace('group: staff', 'grup: staff'));
    await eventually(() =>
      gateway.log.some(({ msg }) => String(msg).startsWith('the changed configuration is refused')),
    );
    writeFileSync(gateway.configFile, good);
    const echoed = new Promise((resolve) => live.socket.once('message', resolve));
    live.socket.send('still here');
    await echoed;
  });
});
