/**
 * `originRequest.access`: a connector that checks for itself who comes in, behind a gateway that also lets in people of whom
 * nobody knows anything. Every process is a real one.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { base64url, exportJWK, generateKeyPair } from 'jose';
import { WebSocket } from 'ws';

import { newId } from '../../src/core/id.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import { cleanup } from '../support/cleanup.ts';
import { serviceTokenClient } from '../support/client-login.ts';
import { startForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { addUser, CookieBrowser } from '../support/cookie-browser.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Answer, type Gateway } from '../support/gateway.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const WIKI = 'wiki.postern.test';
const PAYROLL = 'payroll.postern.test';
const OPEN = 'open.postern.test';
const UNNAMED = 'unnamed.postern.test';
const PLAIN = 'plain.postern.test';
const DB = 'db.postern.test';
const PORT = 'port.postern.test';

const STAFF = [{ action: 'allow', include: [{ group: 'staff' }] }];
const EVERYONE = [{ action: 'bypass', include: ['everyone'] }];

let gateway: Gateway;
let connector: Connector;
let web: HttpOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
  gateway = await startGateway({
    config: {
      'default-policy': 'public',
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'wiki', hostname: WIKI, policies: STAFF },
        { name: 'wiki-open', hostname: WIKI, path: '/echo/open', policies: EVERYONE },
        { name: 'payroll', hostname: PAYROLL, policies: STAFF },
        { name: 'open', hostname: OPEN, policies: EVERYONE },
        {
          name: 'db',
          hostname: DB,
          policies: [{ action: 'service-auth', include: [{ 'service-token': 'any' }] }],
        },
        { name: 'port', hostname: PORT, policies: EVERYONE },
      ],
    },
    tcp: [PORT, PLAIN],
  });
  const unchecked = { access: { required: false } };
  connector = await startConnector({
    gateway,
    config: { originRequest: { access: { required: true } } },
    ingress: [
      { hostname: WIKI, service: web.service },
      {
        hostname: PAYROLL,
        service: web.service,
        originRequest: { access: { required: true, audTag: ['somebody-else'] } },
      },
      { hostname: OPEN, service: web.service },
      { hostname: UNNAMED, service: web.service },
      { hostname: PLAIN, service: echo.service, originRequest: unchecked },
      {
        hostname: DB,
        service: echo.service,
        originRequest: { access: { required: true, audTag: ['wiki', 'db'] } },
      },
      { hostname: PORT, service: echo.service },
    ],
  });
  await connector.linksUp();
  await addUser(gateway, 'ann', { email: 'ann@postern.test', groups: ['staff'] });
});

function url(hostname: string, path = '/echo'): string {
  return `https://${hostname}:${gateway.ports.https}${path}`;
}

async function ann(hostname: string): Promise<{ browser: CookieBrowser; home: Answer }> {
  const browser = new CookieBrowser(gateway);
  const home = await browser.signIn(await browser.visit(url(hostname)), 'ann');
  return { browser, home };
}

function expectRefused({ status, body }: Answer): void {
  expect(status).toBe(403);
  expect(JSON.parse(body.toString())).toMatchObject({ error: { code: 'ORIGIN_ACCESS' } });
}

describe('a rule that requires access', () => {
  it('serves whoever signed in, requests and WebSockets, over streams that are kept', async () => {
    const { browser, home } = await ann(WIKI);
    expect(home.status).toBe(200);
    for (let count = 0; count < 20; count += 1) {
      expect((await browser.ask(url(WIKI))).status).toBe(200);
    }
    // Kept ones carry the next request: nothing was signed for that.
    expect((await web.stats()).accepted).toBeLessThan(10);
    const { port, host, ...tls } = gateway.connectOptions(WIKI);
    const headers = { host: WIKI, cookie: browser.cookies(WIKI), origin: `https://${WIKI}` };
    const socket = new WebSocket(`wss://${host}:${port}/ws`, [], { ...tls, headers });
    cleanup(() => socket.terminate());
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });

  it('K22 refuses those whom a bypass, or no application, let in, also where streams of others are kept', async () => {
    const { browser } = await ann(WIKI);
    const { requests } = await web.stats();
    expectRefused(await gateway.fetch(OPEN, '/echo'));
    expectRefused(await gateway.fetch(UNNAMED, '/echo'));
    expectRefused(await gateway.fetch(WIKI, '/echo/open'));
    const cookie = browser.cookies(WIKI);
    expectRefused(await gateway.fetch(WIKI, '/echo/open', { headers: { cookie } }));
    const assertion = 'Postern-Access-Jwt-Assertion';
    expectRefused(await gateway.fetch(OPEN, '/echo', { headers: { [assertion]: 'x.y.z' } }));
    expect((await web.stats()).requests).toBe(requests);
    expect((await browser.ask(url(WIKI))).status).toBe(200);
    const told = connector.log.filter(({ errCode }) => errCode === 'ORIGIN_ACCESS');
    expect(told.length).toBeGreaterThanOrEqual(5);
  });

  it('K22 refuses whoever came in through another application than it names', async () => {
    const { browser } = await ann(PAYROLL);
    const { status, body } = await browser.ask(url(PAYROLL), { headers: { accept: '*/*' } });
    expectRefused({ status, body, headers: {} });
  });

  it('serves streams of clients, and refuses plain ports, where nobody is signed in', async () => {
    const env = await serviceTokenClient(gateway, 'backup');
    const forward = await startForward({ gateway, hostname: DB, env });
    const client = new EchoClient(openTcp(forward.port), 0);
    await client.round(100_000);
    const before = echo.accepted();
    await whenReset(openTcp(gateway.tcpPort(PORT)));
    expect(echo.accepted()).toBe(before);
    await new EchoClient(openTcp(gateway.tcpPort(PLAIN)), 7).round(100);
    await client.round(100_000);
    await client.end();
  });

  it('is served on while the gateway replaces the key that it signs with', async () => {
    const env = await serviceTokenClient(gateway, 'rotated');
    const forward = await startForward({ gateway, hostname: DB, env });
    const lasting = new EchoClient(openTcp(forward.port), 3);
    await lasting.round(1_000);
    const [old] = await publishedKeys();
    const next = await replaceSigningKey();
    await eventually(async () => {
      // A token of a key that the gateway has not seen makes it look for that key.
      const header = { alg: 'ES256', typ: 'postern-app+jwt', kid: newId() };
      const token = `${base64url.encode(JSON.stringify(header))}.e30.AAAA`;
      await gateway.fetch(WIKI, '/echo', { headers: { 'postern-access-token': token } });
      expect(await publishedKeys()).toEqual([next]);
    });
    expect(next).not.toBe(old);
    const fresh = new EchoClient(openTcp(forward.port), 5);
    await fresh.round(1_000);
    await fresh.end();
    expect((await ann(WIKI)).home.status).toBe(200);
    await lasting.round(1_000);
    await lasting.end();
  });
});

async function publishedKeys(): Promise<string[]> {
  const { body } = await gateway.fetch('auth.postern.test', '/.postern/jwks.json');
  const { keys }: { keys: { kid: string }[] } = JSON.parse(body.toString());
  return keys.map(({ kid }) => kid);
}

/** Another gateway on the same store made a key that signs at once, and the one before is over. */
async function replaceSigningKey(): Promise<string> {
  const store = await openStore({ file: `${gateway.dir}/data/postern.db` });
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const privateJwk = { ...(await exportJWK(privateKey)) };
  const [id, now] = [newId(), Date.now()];
  for (const known of await store.keys.list('token')) await store.keys.remove(known.id);
  const times = { createdAt: now, activeFrom: now, retireAt: now + 86_400_000 };
  await store.keys.add({ id, use: 'token', privateJwk, ...times });
  await store.close();
  return id;
}
