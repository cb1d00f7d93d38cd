/** How a command comes by what it shows a gateway, with real servers that are what they say, or are not. */
import { get } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { CredentialCache } from '../../../../src/client/credentials/credential-cache.ts';
import { FileVault } from '../../../../src/client/credentials/file-vault.ts';
import {
  CredentialSource,
  type CredentialAsk,
  type CredentialSourceOptions,
} from '../../../../src/client/sign-in/ensure-credential.ts';
import { GatewayHttp } from '../../../../src/client/sign-in/gateway-http.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { ALICE } from '../../../support/client-lab.ts';
import { cleanup } from '../../../support/cleanup.ts';
import {
  startMiniGateway,
  type MiniGateway,
  type MiniGatewayOptions,
} from '../../../support/mini-gateway.ts';
import { headerOf } from '../../../support/sign-in.ts';
import { tempDir } from '../../../support/temp-dir.ts';

interface Client {
  readonly source: CredentialSource;
  readonly cache: CredentialCache;
  /** Addresses that a browser was opened with. */
  readonly opened: string[];
  readonly said: string[];
  readonly ask: (change?: Partial<CredentialAsk>) => CredentialAsk;
}

type Answer = 'allow' | 'deny' | 'none';

/** A command on this machine; its user answers in a browser in which ALICE is signed in. */
function client(
  gateway: MiniGateway,
  {
    home = tempDir('home'),
    answer = 'allow',
    ...more
  }: { home?: string; answer?: Answer } & Partial<CredentialSourceOptions> = {},
): Client {
  const http = new GatewayHttp({ gateway: gateway.url, ca: gateway.authority.pem });
  cleanup(() => http.close());
  const opened: string[] = [];
  const said: string[] = [];
  const cache = new CredentialCache({
    file: new FileVault(home),
    openKeychain: async () => 'there is none',
    clock: systemClock,
    onNote: (note) => said.push(note),
  });
  const source = new CredentialSource({
    http,
    cache,
    home,
    terminal: {
      say: (line) => said.push(line),
      progress: (line) => said.push(line),
      openBrowser: async (url) => {
        opened.push(url);
        if (answer !== 'none') void browse(gateway, url, answer);
        return answer !== 'none';
      },
    },
    command: 'postern access test',
    ...more,
  });
  const ask = (change: Partial<CredentialAsk> = {}): CredentialAsk => ({
    gateway: gateway.url,
    interactive: true,
    ...change,
  });
  return { source, cache, opened, said, ask };
}

/** What a browser does: shows the page, sends the form, follows the redirect to this machine. */
async function browse(gateway: MiniGateway, url: string, answer: Answer): Promise<void> {
  const browser = await gateway.lab.signedInBrowser();
  const { pathname, searchParams } = new URL(url);
  browser.headers = { ...browser.headers };
  const own = { origin: gateway.origin, 'sec-fetch-site': 'same-origin' };
  const fields = { ...Object.fromEntries(searchParams), answer };
  const response = await browser.post(pathname, fields, own);
  get(headerOf(response, 'location') ?? '').on('error', () => undefined);
}

const open = async (options?: MiniGatewayOptions): Promise<MiniGateway> => {
  const gateway = await startMiniGateway(options);
  gateway.lab.verdicts.set('wiki.postern.test', 'sign-in');
  gateway.lab.verdicts.set('open.postern.test', 'open');
  return gateway;
};

describe('CredentialSource', () => {
  it('has the user sign in once, and remembers', async () => {
    const gateway = await open();
    const home = tempDir('home');
    const first = client(gateway, { home });
    const { pass, gateway: name } = await first.source.ensure(
      first.ask({ hostname: 'wiki.postern.test' }),
    );
    expect(name).toBe(gateway.origin);
    expect(pass).toEqual({
      kind: 'session',
      credential: {
        gateway: gateway.origin,
        token: expect.stringMatching(/^pcl_/),
        email: ALICE.email,
        expiresAt: expect.any(Number),
        keys: [expect.stringMatching(/^[\w-]{43}$/)],
      },
    });
    const second = client(gateway, { home });
    expect((await second.source.ensure(second.ask())).pass).toEqual(pass);
    expect([first.opened.length, second.opened.length]).toEqual([1, 0]);
  });

  it('opens one browser for many commands at once', async () => {
    const gateway = await open();
    const home = tempDir('home');
    const clients = Array.from({ length: 20 }, () => client(gateway, { home }));
    const passes = await Promise.all(clients.map(async ({ source, ask }) => source.ensure(ask())));
    expect(new Set(passes.map(({ pass }) => JSON.stringify(pass))).size).toBe(1);
    expect(clients.flatMap(({ opened }) => opened)).toHaveLength(1);
  });

  it('opens one browser for many commands at once, also when its user says no', async () => {
    const gateway = await open();
    const home = tempDir('home');
    const clients = Array.from({ length: 10 }, () => client(gateway, { home, answer: 'deny' }));
    const results = await Promise.allSettled(
      clients.map(async ({ source, ask }) => source.ensure(ask())),
    );
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ACCESS_SIGN_IN' } });
    }
    expect(clients.flatMap(({ opened }) => opened)).toHaveLength(1);
  });

  it('needs nothing for an application that is open to everybody', async () => {
    const gateway = await open();
    const { source, ask, opened } = client(gateway);
    const { pass } = await source.ensure(ask({ hostname: 'open.postern.test' }));
    expect([pass, opened]).toEqual([{ kind: 'none' }, []]);
  });

  it('asks nobody who is not there', async () => {
    const gateway = await open();
    const { source, ask, opened } = client(gateway);
    await expect(source.ensure(ask({ interactive: false }))).rejects.toMatchObject({
      code: 'ACCESS_SIGN_IN',
      message: expect.stringContaining('"postern access login"'),
    });
    expect(opened).toEqual([]);
  });

  it('L15 opens no browser with a service token, whatever the application is', async () => {
    const gateway = await open();
    const token = { id: 'id', secret: 'service-secret' };
    const { source, ask, opened } = client(gateway, { serviceToken: token });
    for (const hostname of ['wiki.postern.test', 'other.postern.test']) {
      const { pass } = await source.ensure(ask({ hostname }));
      expect(pass).toEqual({ kind: 'service-token', token });
    }
    expect(opened).toEqual([]);
    expect(gateway.requests.join('\n')).not.toContain('service-secret');
  });

  it('gets another credential in place of one that the gateway takes no more', async () => {
    const gateway = await open();
    const { source, ask, opened } = client(gateway);
    const first = await source.ensure(ask());
    if (first.pass.kind !== 'session') throw new Error('no session');
    const { pass } = await source.renew(ask(), first.pass.credential);
    expect(pass).not.toEqual(first.pass);
    expect(opened).toHaveLength(2);
    // Somebody else has renewed it meanwhile.
    expect((await source.renew(ask(), first.pass.credential)).pass).toEqual(pass);
    expect(opened).toHaveLength(2);
  });

  it('sends nothing secret over plain HTTP', async () => {
    const gateway = await open();
    const { source } = client(gateway);
    const plain = new URL('http://127.0.0.1:1');
    const { pass } = await source.ensure({ gateway: plain, interactive: true });
    expect(pass).toEqual({ kind: 'none' });
  });
});

describe('the proof of a host', () => {
  /** A server that the client trusts by its certificate and that says that it belongs to `gateway`. */
  const impostor = async (
    gateway: MiniGateway,
    intercept: MiniGatewayOptions['intercept'],
  ): Promise<MiniGateway> =>
    startMiniGateway({
      authority: gateway.authority,
      names: ['evil.test'],
      ...(intercept === undefined ? {} : { intercept }),
    });

  const json = (body: unknown) => ({
    status: 200,
    headers: [['content-type', 'application/json']] as const,
    body: JSON.stringify(body),
  });

  it('L2 is refused when it was fetched for another host and passed on', async () => {
    const gateway = await open();
    const http = new GatewayHttp({ gateway: gateway.url, ca: gateway.authority.pem });
    cleanup(() => http.close());
    const bodies: unknown[] = [];
    const evil = await impostor(gateway, ({ path }) =>
      path === '/.postern/proof' ? json(bodies.at(-1)) : undefined,
    );
    const home = tempDir('home');
    const user = client(gateway, { home });
    await user.source.ensure(user.ask());
    const victim = client(evil, { home });
    // The proof of the true gateway for its own host and another request.
    bodies.push(
      (await http.ask(gateway.origin, { path: `/.postern/proof?nonce=${'n'.repeat(32)}` })).json,
    );
    for (const origin of [
      `https://evil.test:${evil.port}`,
      `https://wiki.postern.test:${evil.port}`,
    ]) {
      await expect(victim.source.ensure(victim.ask({ origin }))).rejects.toMatchObject({
        code: 'LINK_HANDSHAKE',
      });
    }
    expect(evil.requests.join('\n')).not.toContain('pcl_');
    expect(victim.opened).toEqual([]);
  });

  it("L2 is not to be had for a host that is not the gateway's, with the very nonce", async () => {
    const gateway = await open();
    const http = new GatewayHttp({ gateway: gateway.url, ca: gateway.authority.pem });
    cleanup(() => http.close());
    const nonce = 'n'.repeat(32);
    const asked = http.ask(`https://wiki.postern.test:${gateway.port}`, {
      path: `/.postern/proof?nonce=${nonce}`,
      headers: { host: 'evil.test' },
    });
    expect((await asked).status).toBe(404);
  });

  it("L2 is refused with a key that is not the gateway's, and no token goes there", async () => {
    const gateway = await open();
    const home = tempDir('home');
    const user = client(gateway, { home });
    await user.source.ensure(user.ask());
    // It has the certificate and the port, and lacks the key.
    await gateway.replaceKey(false);
    gateway.requests.length = 0;
    const again = client(gateway, { home });
    await expect(again.source.ensure(again.ask())).rejects.toMatchObject({
      code: 'LINK_HANDSHAKE',
      message: expect.stringContaining('its key is not one of the gateway'),
    });
    expect(gateway.requests.join('\n')).not.toContain('pcl_');
    expect(again.opened).toEqual([]);
  });

  it('follows the keys of the gateway as one vouches for the next', async () => {
    const gateway = await open();
    const { source, ask, opened } = client(gateway);
    await source.ensure(ask());
    await gateway.replaceKey(true);
    const { pass } = await source.ensure(ask());
    expect(pass).toMatchObject({ credential: { keys: [expect.any(String), expect.any(String)] } });
    gateway.useNextKey();
    expect((await source.ensure(ask())).pass).toEqual(pass);
    expect(opened).toHaveLength(1);
  });

  it.each([
    ['no JSON', { status: 200, headers: [], body: '<html>' }],
    ['an error', { status: 404, headers: [['content-type', 'application/json']], body: '{}' }],
    ['a list', { status: 200, headers: [['content-type', 'application/json']], body: '[]' }],
    ['no proof', { status: 200, headers: [['content-type', 'application/json']], body: '{}' }],
    [
      'a text that is no proof',
      { status: 200, headers: [['content-type', 'application/json']], body: '{"proof":"a.b.c"}' },
    ],
    [
      'an answer without end',
      { status: 200, headers: [['content-type', 'application/json']], body: ' '.repeat(100_000) },
    ],
  ] as const)('L4 is missing in %s', async (_, answer) => {
    const gateway = await open({ intercept: () => answer });
    const { source, ask, opened } = client(gateway);
    await expect(source.ensure(ask())).rejects.toMatchObject({ code: 'LINK_HANDSHAKE' });
    expect(opened).toEqual([]);
  });

  it('L5 is not looked for elsewhere: no redirect is followed', async () => {
    const other = await open();
    const gateway = await open({
      intercept: ({ path }) => ({
        status: 307,
        headers: [['location', `${other.origin}${path}`]],
        body: '',
      }),
    });
    const { source, ask } = client(gateway);
    await expect(source.ensure(ask())).rejects.toMatchObject({ code: 'LINK_HANDSHAKE' });
    expect(other.requests).toEqual([]);
  });

  it('L16 means nothing from a server whose certificate is not trusted', async () => {
    const gateway = await open();
    const http = new GatewayHttp({ gateway: gateway.url });
    cleanup(() => http.close());
    const { source, ask } = client(gateway, { http });
    await expect(source.ensure(ask())).rejects.toMatchObject({ code: 'LINK_TLS' });
    expect(gateway.requests).toEqual([]);
  });
});

describe('signing in by a code', () => {
  const deviceAnswer = (change: object) => ({
    status: 200,
    headers: [['content-type', 'application/json']] as const,
    body: JSON.stringify({
      deviceCode: 'd',
      userCode: 'ABCD-2345',
      expiresIn: 60,
      interval: 1,
      ...change,
    }),
  });

  it('shows the address and the code, and goes on when somebody has typed it', async () => {
    const gateway = await open();
    const { source, ask, said } = client(gateway, { answer: 'none' });
    const signedIn = source.ensure(ask());
    const code = await until(() => /^ {2}([A-Z0-9]{4}-[A-Z0-9]{4})$/m.exec(said.join('\n'))?.[1]);
    expect(said.join('\n')).toContain(`${gateway.origin}/.postern/client/device`);
    const browser = await gateway.lab.signedInBrowser();
    const own = { origin: gateway.origin, 'sec-fetch-site': 'same-origin' };
    const page = await browser.post('/.postern/client/device', { code }, own);
    const reference = /name="reference" value="([^"]+)"/.exec(String(page.body))?.[1] ?? '';
    await browser.post('/.postern/client/device', { reference, answer: 'allow' }, own);
    expect((await signedIn).pass).toMatchObject({ kind: 'session' });
  });

  it.each([
    ['a code with a terminal escape', { userCode: '\u001b]52;c;ZXZpbA==\u0007' }],
    ['an address of another host', { verificationUri: 'https://evil.test/x' }],
    ['an address with a terminal escape', { verificationUri: 'ORIGIN/\u001b[2J' }],
    ['an address that only starts like ours', { verificationUri: 'ORIGIN.evil.test/x' }],
  ])('L17 shows nobody %s', async (_, change) => {
    const gateway: MiniGateway = await open({
      intercept: ({ path }) => {
        const text = JSON.stringify({ verificationUri: 'ORIGIN/x', ...change });
        const fields: object = JSON.parse(text.replaceAll('ORIGIN', gateway.origin));
        return path === '/.postern/client/device' ? deviceAnswer(fields) : undefined;
      },
    });
    const { source, ask, said } = client(gateway);
    const asked = source.ensure(ask({ headless: true }));
    await expect(asked).rejects.toMatchObject({ code: 'LINK_HANDSHAKE' });
    expect(said).toEqual([]);
  });

  it('L17 repeats nothing of a server but one quoted line', async () => {
    const gateway: MiniGateway = await open({
      intercept: ({ path }) => {
        const address = { verificationUri: `${gateway.origin}/x` };
        if (path === '/.postern/client/device') return deviceAnswer(address);
        if (path !== '/.postern/client/token') return undefined;
        return {
          ...deviceAnswer({}),
          status: 400,
          body: JSON.stringify({ error: 'x\u001b[2J\ny' }),
        };
      },
    });
    const { source, ask } = client(gateway);
    const asked = source.ensure(ask({ headless: true }));
    await expect(asked).rejects.toMatchObject({ message: 'Cannot sign in: "x [2J y"' });
  });
});

async function until(find: () => string | undefined): Promise<string> {
  const { eventually } = await import('../../../support/eventually.ts');
  return eventually(() => find() ?? Promise.reject(new Error('not yet')));
}
