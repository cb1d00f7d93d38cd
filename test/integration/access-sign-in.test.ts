/**
 * Signing in from the command line at a whole gateway, with a connector and origins behind it: what a person may reach with it, what
 * they may not, and how it ends.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { startConnector } from '../support/connector.ts';
import { addUser, CookieBrowser } from '../support/cookie-browser.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startProcess } from '../support/processes.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { posternCommand, run } from '../support/run.ts';
import { SignedInCommands } from '../support/signed-in-commands.ts';
import { requireTools } from '../support/tools.ts';

requireTools('curl');

const [AUTH, WIKI, PAYROLL, DB] = ['auth', 'wiki', 'payroll', 'db'].map(
  (name) => `${name}.postern.test`,
) as [string, string, string, string];

let gateway: Gateway;
let web: HttpOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
  const staff = [{ action: 'allow', include: [{ group: 'staff' }] }];
  const ann = [{ action: 'allow', include: [{ email: 'ann@postern.test' }] }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'wiki', hostname: WIKI, policies: staff },
        { name: 'payroll', hostname: PAYROLL, 'purpose-justification': true, policies: ann },
        { name: 'db', hostname: DB, policies: staff },
      ],
    },
  });
  const tunnel = await gateway.createTunnel('all', ['*.postern.test']);
  await startConnector({
    gateway,
    tunnel,
    ingress: [
      { hostname: WIKI, service: web.service },
      { hostname: PAYROLL, service: web.service },
      { hostname: DB, service: echo.service },
    ],
  });
  await addUser(gateway, 'ann', { email: 'ann@postern.test', groups: ['staff'] });
  await addUser(gateway, 'bob', { email: 'bob@postern.test', groups: ['staff'] });
});

function url(hostname: string, path = '/echo'): string {
  return `https://${hostname}:${gateway.ports.https}${path}`;
}

async function browserOf(name: string): Promise<CookieBrowser> {
  const browser = new CookieBrowser(gateway);
  await browser.signIn(await browser.visit(url(AUTH, '/.postern/sign-in/house')), name);
  return browser;
}

/** Commands on the laptop of somebody who is signed in in their browser. */
async function laptopOf(name: string): Promise<SignedInCommands> {
  const cookie = (await browserOf(name)).cookies(AUTH);
  return new SignedInCommands({ port: gateway.ports.https, caFile: gateway.caFile, cookie });
}

function secretOf({ home }: SignedInCommands): string {
  const folder = join(home, 'credentials');
  const [file = ''] = readdirSync(folder);
  return String(JSON.parse(readFileSync(join(folder, file), 'utf8')).token);
}

describe('a person who signed in from the command line', () => {
  it('reaches a website with curl, and the origin learns who it is', async () => {
    const laptop = await laptopOf('ann');
    expect((await laptop.access(['login'])).stderr).toContain('Sign in in the browser');
    const { code, stdout } = await laptop.access(['curl', url(WIKI, '/echo?a=b'), '-s']);
    expect(code).toBe(0);
    const { rawHeaders }: { rawHeaders: string[] } = JSON.parse(stdout);
    const seen = rawHeaders.join('\n');
    expect(seen).toContain('ann@postern.test');
    expect(seen).not.toMatch(/__Host-postern|pcl_/);
    expect(laptop.visits.filter((line) => line.startsWith('https:'))).toHaveLength(1);
  });

  it('reaches a TCP service', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const [command, args] = posternCommand('access', 'tcp', '--hostname', DB);
    const { code, stdout } = await run(command, args, { env: laptop.env, input: 'hello' });
    expect([code, stdout]).toEqual([0, 'hello']);
  });

  it('may say why, where an application asks', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const silent = await laptop.access(['curl', url(PAYROLL), '-s']);
    expect([silent.code, silent.stderr]).toEqual([4, expect.stringContaining('--purpose')]);
    const why = ['curl', url(PAYROLL), '-s', '--purpose', 'month end'];
    expect((await laptop.access(why)).code).toBe(0);
  });

  it('is not let in where the policy says no, and learns nothing of the rule', async () => {
    const laptop = await laptopOf('bob');
    await laptop.access(['login']);
    const { code, stdout, stderr } = await laptop.access(['curl', url(PAYROLL), '-s']);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(
      /you may not use this application \(request [0-9a-f]{16}\) \(ACCESS_DENIED\)\n$/,
    );
    expect(stderr).not.toContain('ann@');
  });

  it('C4 has a token that is worth nothing at another application', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const { stdout } = await laptop.access(['token', '--hostname', WIKI, '--print']);
    const headers = { authorization: `Bearer ${stdout.trim()}` };
    expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(200);
    expect((await gateway.fetch(DB, '/', { headers })).status).toBe(401);
  });

  it('C5 has a credential that is worth nothing at an application', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const secret = secretOf(laptop);
    const tries = [
      { authorization: `Bearer ${secret}` },
      { cookie: `__Host-postern_session=${secret}` },
      { cookie: `__Host-postern_app_12a435ec8454=${secret}` },
    ];
    for (const headers of tries) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(401);
    }
  });

  it('C9 is out when they sign out, at once', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const { stdout } = await laptop.access(['token', '--hostname', WIKI, '--print']);
    const headers = { authorization: `Bearer ${stdout.trim()}` };
    expect((await laptop.access(['logout'])).code).toBe(0);
    expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(401);
    expect((await laptop.access(['curl', url(WIKI), '-s'])).code).toBe(3);
  });

  it('A8 leaves no secret in the log of the gateway', async () => {
    const laptop = await laptopOf('ann');
    await laptop.access(['login']);
    const { stdout } = await laptop.access(['token', '--hostname', WIKI, '--print']);
    const log = gateway.process.output.text();
    for (const secret of [secretOf(laptop), stdout.trim()]) expect(log).not.toContain(secret);
    const [address = ''] = laptop.visits;
    const { searchParams } = new URL(address);
    for (const name of ['state', 'challenge']) expect(log).not.toContain(searchParams.get(name));
  });
});

describe('a machine without a screen', () => {
  it('signs in by a code that is typed in a browser elsewhere', async () => {
    const browser = await browserOf('ann');
    const laptop = new SignedInCommands({
      port: gateway.ports.https,
      caFile: gateway.caFile,
      cookie: '',
    });
    const [command, args] = posternCommand('access', 'login', '--headless');
    const login = startProcess(command, args, { env: laptop.env, name: 'access login' });
    const [, page = ''] = await login.waitForLine(/^ {2}(https:.*)$/);
    const [, code = ''] = await login.waitForLine(/^ {2}([A-Z0-9]{4}-[A-Z0-9]{4})$/);
    const asked = await browser.post(page, { code });
    expect(asked.body.toString()).toContain('127.0.0.1');
    const reference = /name="reference" value="([^"]+)"/.exec(asked.body.toString())?.[1] ?? '';
    const done = await browser.post(page, { reference, answer: 'allow' });
    expect(done.body.toString()).toContain('You are signed in');
    const { code: status } = await login.exited;
    expect([status, login.stdout]).toEqual([0, expect.stringContaining('as ann@postern.test')]);
  });
});

describe('a service token', () => {
  it('L15 opens no browser, and is refused where people are wanted', async () => {
    const laptop = await laptopOf('ann');
    const env = { POSTERN_SERVICE_TOKEN_ID: 'no-such', POSTERN_SERVICE_TOKEN_SECRET: 'no-such' };
    const { code, stdout } = await laptop.access(
      ['curl', url(WIKI), '-s', '-o', '/dev/null', '-w', '%{http_code}'],
      env,
    );
    expect([code, stdout]).toEqual([0, '401']);
    expect(laptop.visits).toEqual(['']);
  });
});
