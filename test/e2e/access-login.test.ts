/** `postern access login` with a real browser: from the command to the page that says that one is signed in. */
import { beforeAll, expect, it, jest } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';

import { keepPicture, newVisitor, startBrowser } from '../support/browser.ts';
import { addUser } from '../support/cookie-browser.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { posternCommand } from '../support/run.ts';
import { SignedInCommands } from '../support/signed-in-commands.ts';
import { findProgram } from '../support/tools.ts';

// A browser is many processes, and the machine may be busy.
jest.setTimeout(120_000);

let browser: Browser;
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({
    config: { 'identity-providers': [{ id: 'house', type: 'local' }] },
  });
  await addUser(gateway, 'ann', { email: 'ann@postern.test' });
  browser = await startBrowser();
});

/** The command, and the browser of its user. */
async function startLogin(...words: string[]): Promise<{
  readonly login: TestProcess;
  readonly page: Page;
}> {
  const laptop = new SignedInCommands({
    port: gateway.ports.https,
    caFile: gateway.caFile,
    cookie: '',
  });
  const [command, args] = posternCommand('access', 'login', ...words);
  // The browser of the test is not started by the command.
  const env = { ...laptop.env, BROWSER: findProgram('true') };
  const login = startProcess(command, args, { env, name: 'access login' });
  const context: BrowserContext = await newVisitor(browser, { javaScript: false });
  return { login, page: await context.newPage() };
}

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill('ann');
  await page.getByLabel('Password').fill('password of ann');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/client/);
}

it('signs in in the browser of this machine, which says so in the end', async () => {
  const { login, page } = await startLogin();
  const [, address = ''] = await login.waitForLine(/^ {2}(https:.*)$/);
  await page.goto(address);
  await signIn(page);
  expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(
    'Sign in on the command line?',
  );
  expect(await page.locator('dl').innerText()).toMatch(
    /ann@postern\.test[^]*127\.0\.0\.1[^]*postern access login/,
  );
  await keepPicture(page, 'client-confirm');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/\.postern\/client\/done/);
  expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('You are signed in');
  expect(page.url()).not.toContain('code=');
  await keepPicture(page, 'client-done');
  expect((await login.exited).code).toBe(0);
  expect(login.stdout).toContain('as ann@postern.test');
});

it('is refused by a no', async () => {
  const { login, page } = await startLogin();
  const [, address = ''] = await login.waitForLine(/^ {2}(https:.*)$/);
  await page.goto(address);
  await signIn(page);
  await page.getByRole('button', { name: 'No' }).click();
  await page.waitForURL(/\/\.postern\/client\/done/);
  expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Not signed in');
  expect((await login.exited).code).toBe(3);
});

it('signs in by a code that is typed, after the page has shown who asks', async () => {
  const { login, page } = await startLogin('--headless');
  const [, address = ''] = await login.waitForLine(/^ {2}(https:.*)$/);
  const [, code = ''] = await login.waitForLine(/^ {2}([A-Z0-9]{4}-[A-Z0-9]{4})$/);
  await page.goto(address);
  await signIn(page);
  await page.getByLabel('Code').fill('WRNG-2222');
  await page.getByRole('button', { name: 'Go on' }).click();
  expect(await page.getByRole('alert').innerText()).toContain('no such code');
  await keepPicture(page, 'client-code');
  await page.getByLabel('Code').fill(code.toLowerCase());
  await page.getByRole('button', { name: 'Go on' }).click();
  expect(await page.locator('dl').innerText()).toContain(code);
  await keepPicture(page, 'client-confirm-code');
  await page.getByRole('button', { name: 'Sign in' }).click();
  expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('You are signed in');
  expect((await login.exited).code).toBe(0);
});
