/** Users in a real browser, against a real OpenID provider: what they see from the first visit to the sign-out. */
import { beforeAll, expect, it, jest } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';

import { totpCode } from '../../src/access/local/totp.ts';
import { accessibilityFaults } from '../support/accessibility.ts';
import { keepPicture, newVisitor, startBrowser, VIEWPORTS } from '../support/browser.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { startOidcProvider, type RealOidcProvider } from '../support/real/oidc-provider.ts';
import { mustRun, posternCommand, posternEnv } from '../support/run.ts';
import { say } from '../support/say.ts';

// A browser is many processes, and the machine may be busy.
jest.setTimeout(180_000);

const PASSWORD = 'correct horse battery';
const EXAMPLE = [{ action: 'allow', include: [{ 'email-domain': 'example.com' }] }];
const HOSTNAMES = ['wiki', 'chat', 'vault'].map((name) => `${name}.postern.test`);

let browser: Browser;
let gateway: Gateway;
let provider: RealOidcProvider;
let totpSecret = '';

beforeAll(async () => {
  gateway = await Gateway.create();
  const origin = await startHttpOrigin();
  provider = await startOidcProvider({
    gateway,
    accounts: {
      ann: { email: 'ann@example.com', name: 'Ann Example', groups: ['staff'] },
      eve: { email: 'eve@elsewhere.test', name: 'Eve Elsewhere', groups: [] },
    },
  });
  gateway.configure({
    'default-policy': 'deny',
    'identity-providers': [
      provider.config,
      { id: 'local', type: 'local', name: 'Emergency access' },
    ],
    applications: [
      { name: 'wiki', hostname: 'wiki.postern.test', policies: EXAMPLE },
      { name: 'chat', hostname: 'chat.postern.test', policies: EXAMPLE },
      {
        name: 'vault',
        hostname: 'vault.postern.test',
        policies: [{ action: 'allow', include: [{ group: 'root' }] }],
      },
    ],
  });
  await gateway.start();
  const ingress = HOSTNAMES.map((hostname) => ({ hostname, service: origin.service }));
  [browser] = await Promise.all([startBrowser(), startConnector({ gateway, ingress })]);
  totpSecret = await addUser('ops');
});

/** Adds a local user as people do, with the password on stdin; the secret of the one-time code. */
async function addUser(name: string): Promise<string> {
  const words = ['gateway', 'user', 'add', name, '--groups', 'root', '--totp', '-o', 'json'];
  const [command, args] = posternCommand(...words, '--config', gateway.configFile);
  const how = { env: posternEnv(), cwd: gateway.dir, input: `${PASSWORD}\n` };
  const added: { totpUri: string } = JSON.parse((await mustRun(command, args, how)).stdout);
  return new URL(added.totpUri).searchParams.get('secret') ?? '';
}

function urlOf(name: string, path = '/'): string {
  return `https://${name}.postern.test:${gateway.ports.https}${path}`;
}

/** Chooses the provider and signs in there. */
async function signInAtProvider(page: Page, login: string): Promise<void> {
  await page.getByRole('link', { name: 'Example Corp' }).click();
  await page.getByLabel('Login').fill(login);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function signedIn(login: string, visitor?: BrowserContext): Promise<Page> {
  const context = visitor ?? (await newVisitor(browser));
  const page = await context.newPage();
  await page.goto(urlOf('wiki', '/echo'));
  await signInAtProvider(page, login);
  return page;
}

/** How a WebSocket of a page ended: when, as clocks say it. */
interface Ended {
  readonly code: number;
  readonly reason: string;
  readonly at: number;
}

/** Opens a WebSocket to the host of the page, has one answer, and returns what waits for its end. */
async function openWebSocket(page: Page): Promise<() => Promise<Ended>> {
  const opened = await page.evaluateHandle(async (host) => {
    const socket = new WebSocket(`wss://${host}/ws`);
    const closed = new Promise<Ended>((resolve) => {
      socket.addEventListener('close', ({ code, reason }) =>
        resolve({ code, reason, at: Date.now() }),
      );
    });
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', () => socket.send('hello'));
      socket.addEventListener('message', resolve);
      socket.addEventListener('close', reject);
    });
    return { closed };
  }, new URL(page.url()).host);
  return async () => opened.evaluate(async ({ closed }) => closed);
}

/** WebSockets end because their user may no longer, and ran over HTTP/2 (RFC 8441). */
async function expectRevoked(
  waits: readonly (() => Promise<Ended>)[],
  { since, why }: { readonly since: number; readonly why: string },
): Promise<void> {
  for (const ended of await Promise.all(waits.map((wait) => wait()))) {
    expect(ended).toMatchObject({ code: 4401, reason: 'ACCESS_REVOKED' });
    say(`a WebSocket over HTTP/2 ended ${ended.at - since} ms after ${why}`);
    // A second is what is promised; the rest is for a machine that has no time.
    expect(ended.at - since).toBeLessThan(10_000);
  }
  await eventually(() => {
    const lines = gateway.log.filter(({ path }) => path === '/ws').slice(-waits.length);
    const over = { httpVersion: '2.0', status: 101, errCode: 'ACCESS_REVOKED' };
    expect(lines).toEqual(waits.map(() => expect.objectContaining(over)));
  });
}

async function expectGood(page: Page, name: string): Promise<void> {
  await keepPicture(page, name);
  expect([name, await accessibilityFaults(page)]).toEqual([name, []]);
}

it('a first visit leads to sign-in and then to the page, and a second application asks for nothing', async () => {
  const context = await newVisitor(browser);
  const page = await context.newPage();
  await page.goto(urlOf('wiki', '/echo?page=1'));
  expect(new URL(page.url()).hostname).toBe('auth.postern.test');
  await expectGood(page, 'chooser');
  await signInAtProvider(page, 'ann');
  await page.waitForURL(urlOf('wiki', '/echo?page=1'));
  expect(await page.textContent('body')).toContain('/echo?page=1');

  await page.goto(urlOf('chat', '/echo?room=2'));
  expect(page.url()).toBe(urlOf('chat', '/echo?room=2'));
  expect(await page.textContent('body')).toContain('/echo?room=2');
  // A browser speaks HTTP/2, and uses a connection for one name: what it sends on another's is refused, and sent again.
  const versions = gateway.log.flatMap(({ path, httpVersion }) =>
    path === '/echo' ? [String(httpVersion)] : [],
  );
  expect(new Set(versions)).toEqual(new Set(['2.0']));
});

it('C10 the start page says who one is, and signing out ends every application and WebSocket', async () => {
  const page = await signedIn('ann');
  await page.waitForURL(urlOf('wiki', '/echo'));
  await page.goto(urlOf('chat', '/echo'));
  expect(page.url()).toBe(urlOf('chat', '/echo'));

  await page.goto(urlOf('auth'));
  expect(await page.textContent('main')).toContain('ann@example.com');
  await expectGood(page, 'home');
  const others = await Promise.all(
    ['wiki', 'chat'].map(async (name) => {
      const other = await page.context().newPage();
      await other.goto(urlOf(name, '/echo'));
      return openWebSocket(other);
    }),
  );
  const since = Date.now();
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expectRevoked(others, { since, why: 'a click on "Sign out"' });
  // The provider asks too: it may have signed the user in elsewhere.
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(urlOf('auth', '/.postern/signed-out'));
  await expectGood(page, 'signed-out');

  for (const name of ['wiki', 'chat']) {
    // oxlint-disable no-await-in-loop
    await page.goto(urlOf(name, '/echo'));
    expect(new URL(page.url()).hostname).toBe('auth.postern.test');
    // oxlint-enable no-await-in-loop
  }
  await signInAtProvider(page, 'ann');
  await page.waitForURL(urlOf('chat', '/echo'));

  const again = await openWebSocket(page);
  await gateway.cli('gateway', 'sessions', 'revoke', '--email', 'ann@example.com');
  await expectRevoked([again], { since: Date.now(), why: '"sessions revoke"' });
});

it('a sign-out at the provider ends the session here', async () => {
  const page = await signedIn('ann');
  await page.waitForURL(urlOf('wiki', '/echo'));
  await page.goto(`${provider.issuer}/session/end`);
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(/session\/end\/success/);
  await page.goto(urlOf('wiki', '/echo'));
  expect(new URL(page.url()).hostname).toBe('auth.postern.test');
});

it('somebody who may not enter sees who they are, and nothing of the rule', async () => {
  const page = await signedIn('eve');
  await page.getByRole('heading', { name: 'No access' }).waitFor();
  const text = (await page.textContent('main')) ?? '';
  expect(text).toContain('eve@elsewhere.test');
  expect(text).not.toMatch(/example\.com|polic|group|staff/i);
  await expectGood(page, 'denied');
  await page.getByRole('link', { name: 'Use another account' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(urlOf('auth', '/.postern/signed-out'));
});

it('a local user signs in with a password and a one-time code', async () => {
  const context = await newVisitor(browser);
  const page = await context.newPage();
  await page.goto(urlOf('vault', '/echo'));
  await page.getByRole('link', { name: 'Emergency access' }).click();
  await expectGood(page, 'password');
  await page.getByLabel('User name').fill('ops');
  await page.getByLabel('Password').fill('wrong password');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await expectGood(page, 'password-wrong');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByLabel('Code').waitFor();
  await expectGood(page, 'code');
  await page.getByLabel('Code').fill(totpCode(totpSecret, Date.now()));
  await page.keyboard.press('Enter');
  await page.waitForURL(urlOf('vault', '/echo'));
  expect(await page.textContent('body')).toContain('/echo');
});

it('everything works without JavaScript, on a phone', async () => {
  const visitor = await newVisitor(browser, { javaScript: false, viewport: 'phone' });
  const page = await signedIn('ann', visitor);
  await page.waitForURL(urlOf('wiki', '/echo'));
  expect(page.viewportSize()).toEqual(VIEWPORTS.phone);
  await page.goto(urlOf('auth'));
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByRole('button', { name: /yes/i }).click();
  await page.waitForURL(urlOf('auth', '/.postern/signed-out'));
});

it('C16 twenty tabs at once: one sign-in in each, and all of them show their page', async () => {
  const context = await newVisitor(browser);
  const tabs = await Promise.all(Array.from({ length: 20 }, async () => context.newPage()));
  await Promise.all(tabs.map(async (tab, at) => tab.goto(urlOf('wiki', `/echo?tab=${at}`))));
  await Promise.all(
    tabs.map(async (tab) => tab.getByRole('link', { name: 'Example Corp' }).click()),
  );
  const [first, ...others] = tabs;
  if (first === undefined) throw new Error('Cannot use the first tab: none was opened');
  await Promise.all(tabs.map(async (tab) => tab.getByLabel('Login').waitFor()));
  await first.getByLabel('Login').fill('ann');
  await first.getByRole('button', { name: 'Sign in' }).click();
  await first.waitForURL(urlOf('wiki', '/echo?tab=0'));
  for (const [at, tab] of others.entries()) {
    // oxlint-disable no-await-in-loop
    await tab.getByLabel('Login').fill('ann');
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.waitForURL(urlOf('wiki', `/echo?tab=${at + 1}`));
    // oxlint-enable no-await-in-loop
  }
  const cookies = await context.cookies(urlOf('auth'));
  const bytes = cookies.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  expect(bytes).toBeLessThan(4_096);
}, 240_000);
