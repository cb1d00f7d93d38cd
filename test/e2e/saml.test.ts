/** Users in a real browser, against a real SAML identity provider: Debian's SimpleSAMLphp, with encrypted assertions. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';

import { newVisitor, startBrowser } from '../support/browser.ts';
import { startConnector } from '../support/connector.ts';
import { Gateway } from '../support/gateway.ts';
import { idpKey } from '../support/hostile-idp.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { startSimpleSamlPhp, type SimpleSamlPhp } from '../support/real/simplesamlphp.ts';
import { tempDir } from '../support/temp-dir.ts';

// A browser is many processes, and the machine may be busy.
jest.setTimeout(180_000);

const STAFF = [{ action: 'allow', include: [{ group: 'staff' }] }];
const HOSTNAMES = ['wiki', 'chat'].map((name) => `${name}.postern.test`);

let browser: Browser;
let gateway: Gateway;
let ssp: SimpleSamlPhp;

beforeAll(async () => {
  gateway = await Gateway.create();
  ssp = await startSimpleSamlPhp({
    key: await idpKey(),
    encrypts: true,
    users: {
      ann: { mail: ['ann@example.com'], displayName: ['Ann Example'], groups: ['staff'] },
      eve: { mail: ['eve@example.com'], displayName: ['Eve'], groups: ['guests'] },
    },
  });
  const metadataFile = join(tempDir('idp'), 'idp.xml');
  writeFileSync(metadataFile, await ssp.metadata());
  gateway.configure({
    'default-policy': 'deny',
    'identity-providers': [
      {
        id: 'corp',
        type: 'saml',
        name: 'Example Corp',
        'idp-metadata-file': metadataFile,
        'encrypted-assertions': 'require',
      },
    ],
    applications: HOSTNAMES.map((hostname) => ({
      name: hostname.split('.', 1)[0],
      hostname,
      policies: STAFF,
    })),
  });
  await gateway.start();
  const ours = await gateway.fetch('auth.postern.test', '/.postern/saml/corp/metadata');
  ssp.trust(ours.body.toString());
  const origin = await startHttpOrigin();
  const ingress = HOSTNAMES.map((hostname) => ({ hostname, service: origin.service }));
  [browser] = await Promise.all([startBrowser(), startConnector({ gateway, ingress })]);
});

function urlOf(name: string, path = '/'): string {
  return `https://${name}.postern.test:${gateway.ports.https}${path}`;
}

async function signInAtProvider(page: Page, name: string): Promise<void> {
  await page.locator('input[name=username]').fill(name);
  await page.locator('input[name=password]').fill('secret');
  await page.locator('input[name=password]').press('Enter');
}

it('signs in at the first visit, at a second application without a word, and out everywhere', async () => {
  const page = await (await newVisitor(browser)).newPage();
  await page.goto(urlOf('wiki', '/echo?page=1'));
  expect(page.url()).toContain(ssp.origin);
  await signInAtProvider(page, 'ann');
  await page.waitForURL(urlOf('wiki', '/echo?page=1'));
  expect(await page.textContent('body')).toContain('ann@example.com');

  await page.goto(urlOf('chat', '/echo'));
  expect(page.url()).toBe(urlOf('chat', '/echo'));

  await page.goto(urlOf('auth'));
  expect(await page.textContent('main')).toContain('ann@example.com');
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.waitForURL(urlOf('auth', '/.postern/signed-out'));
  // Signed out at the provider too: it asks for the password again.
  await page.goto(urlOf('chat', '/echo'));
  expect(await page.locator('input[name=password]').count()).toBe(1);
});

it('is signed out when the provider says so', async () => {
  const page = await (await newVisitor(browser)).newPage();
  await page.goto(urlOf('wiki', '/echo'));
  await signInAtProvider(page, 'ann');
  await page.waitForURL(urlOf('wiki', '/echo'));
  const home = `${ssp.origin}/simplesaml/`;
  const query = new URLSearchParams({ ReturnTo: home }).toString();
  await page.goto(`${home}saml2/idp/SingleLogoutService.php?${query}`);
  await page.waitForURL((url) => url.href.startsWith(home) && !url.search.includes('ReturnTo'));
  await page.goto(urlOf('wiki', '/echo'));
  expect(await page.locator('input[name=password]').count()).toBe(1);
});

it('shows who they are to somebody who may not come in', async () => {
  const page = await (await newVisitor(browser)).newPage();
  await page.goto(urlOf('wiki', '/echo'));
  await signInAtProvider(page, 'eve');
  await page.waitForURL(/\/\.postern\/authorize\?/);
  const said = await page.textContent('main');
  expect(said).toContain('eve@example.com');
  expect(said).not.toContain('staff');
});
