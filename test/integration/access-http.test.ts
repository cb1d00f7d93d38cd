/**
 * Sessions and tokens on the HTTP path, through a whole gateway: from the first visit to the origin's view of who it is, and
 * what is refused on the way. C1–C18 of docs/security.md.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';

import { addUser, CookieBrowser, type Visit } from '../support/cookie-browser.ts';
import { startConnector } from '../support/connector.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';

const WIKI = 'wiki.postern.test';
const PAYROLL = 'payroll.postern.test';
const OPEN = 'open.postern.test';
const API = 'api.postern.test';
const AUTH = 'auth.postern.test';

let gateway: Gateway;
let web: HttpOrigin;

beforeAll(async () => {
  web = await startHttpOrigin();
  const staff = [{ action: 'allow', include: [{ group: 'staff' }] }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'wiki', hostname: WIKI, policies: staff },
        { name: 'payroll', hostname: PAYROLL, policies: staff },
        { name: 'open', hostname: OPEN, policies: [{ action: 'bypass', include: ['everyone'] }] },
        {
          name: 'api',
          hostname: API,
          policies: [{ action: 'service-auth', include: [{ 'service-token': 'any' }] }],
        },
      ],
    },
  });
  const hostnames = [WIKI, PAYROLL, OPEN, API];
  const tunnel = await gateway.createTunnel('all', ['*.postern.test']);
  await startConnector({
    gateway,
    tunnel,
    ingress: hostnames.map((hostname) => ({ hostname, service: web.service })),
  });
  await addUser(gateway, 'ann', { email: 'ann@postern.test', groups: ['staff', 'ops team'] });
  await addUser(gateway, 'bob', { email: 'bob@postern.test' });
}, 60_000);

function url(hostname: string, path = '/echo'): string {
  return `https://${hostname}:${gateway.ports.https}${path}`;
}

/** The header fields that the origin of /echo received, names in lower case. */
function seenByOrigin({ body }: { readonly body: Buffer }): [string, string][] {
  const { rawHeaders }: { rawHeaders: string[] } = JSON.parse(body.toString());
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? '']] : [],
  );
}

describe('a browser', () => {
  it('is led to sign in, back to where it was going, and the origin learns who it is', async () => {
    const browser = new CookieBrowser(gateway);
    const page = await browser.visit(url(WIKI, '/echo?a=b%20c'));
    expect(new URL(page.url).host).toBe(`${AUTH}:${gateway.ports.https}`);
    const home: Visit = await browser.signIn(page, 'ann');
    expect(home.url).toBe(url(WIKI, '/echo?a=b%20c'));
    expect(home.status).toBe(200);
    const seen = new Map(seenByOrigin(home));
    expect(seen.get('postern-access-email')).toBe('ann@postern.test');
    expect(seen.get('postern-access-user')).toBe('ann');
    expect(seen.get('postern-access-groups')).toBe('staff,ops team');
    const assertion = seen.get('postern-access-jwt-assertion') ?? '';
    const { body } = await gateway.fetch(AUTH, '/.postern/jwks.json');
    const { keys } = JSON.parse(body.toString());
    const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys }), {
      audience: 'wiki',
    });
    expect(payload).toMatchObject({
      sub: 'ann',
      email: 'ann@postern.test',
      groups: ['staff', 'ops team'],
    });
    expect(decodeJwt(assertion).iss).toBe(`https://${AUTH}:${gateway.ports.https}`);
  });
});
