/** `postern access login | logout | token | curl`, each in a process of its own, with the system's curl. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { setSessionCookie } from '../../src/access/sign-in/session-cookie.ts';
import { ALICE } from '../support/client-lab.ts';
import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import {
  startMiniGateway,
  type MiniGateway,
  type MiniGatewayOptions,
} from '../support/mini-gateway.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';
import { SignedInCommands } from '../support/signed-in-commands.ts';
import { tempDir } from '../support/temp-dir.ts';
import { requireTools } from '../support/tools.ts';

requireTools('curl');

interface World {
  readonly gateway: MiniGateway;
  readonly commands: SignedInCommands;
  readonly wiki: string;
}

async function start(options?: MiniGatewayOptions): Promise<World> {
  const gateway = await startMiniGateway(options);
  const { lab, port, authority } = gateway;
  lab.verdicts.set('wiki.postern.test', 'sign-in');
  lab.verdicts.set('open.postern.test', 'open');
  const { secret } = await lab.sessions.create({
    kind: 'browser',
    identity: ALICE,
    address: '',
    agent: '',
  });
  const cookie = setSessionCookie(secret).split(';')[0] ?? '';
  const commands = new SignedInCommands({ port, caFile: authority.writeFile(), cookie });
  return { gateway, commands, wiki: `https://wiki.postern.test:${port}` };
}

/** From now on the gate lets ALICE in. */
function allow({ lab }: MiniGateway): void {
  lab.verdicts.set('wiki.postern.test', 'allow');
}

/** The credential file of the only gateway. */
function credentialFile({ home }: SignedInCommands): string {
  const folder = join(home, 'credentials');
  const [name = ''] = readdirSync(folder);
  return join(folder, name);
}

describe('postern access login', () => {
  it('signs in in a browser, once, and says as whom', async () => {
    const { gateway, commands } = await start();
    const first = await commands.access(['login']);
    expect([first.code, first.stdout]).toEqual([
      0,
      expect.stringMatching(/^Signed in at auth\.postern\.test:\d+ as alice@example\.com until 20/),
    ]);
    const second = await commands.access(['login', '-o', 'json']);
    expect(JSON.parse(second.stdout)).toEqual({
      gateway: gateway.origin,
      email: ALICE.email,
      expiresAt: expect.stringMatching(/Z$/),
    });
    expect(second.stderr).toBe('');
    // The command has what it wants before its browser has read the page.
    await eventually(() =>
      expect(commands.visits).toEqual([
        expect.stringContaining('/.postern/client/authorize?'),
        'done 200 You are signed in',
      ]),
    );
  });

  it('opens one browser for 20 at once', async () => {
    const { commands } = await start();
    const results = await Promise.all(
      Array.from({ length: 20 }, async () => commands.access(['login'])),
    );
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 0));
    expect(commands.visits.filter((line) => line.startsWith('https:'))).toHaveLength(1);
  }, 120_000);

  it('signs in again when the gateway has ended the session', async () => {
    const { gateway, commands } = await start();
    await commands.access(['login']);
    const { sessions } = gateway.lab;
    await sessions.revokeWhere(({ kind }) => kind === 'client', 'test');
    const again = await commands.access(['login']);
    expect(again.code).toBe(0);
    await eventually(() => expect(commands.visits).toHaveLength(4));
  });

  it('L1 keeps the credential in a file that nobody else can read, and replaces one that others could', async () => {
    const { commands } = await start();
    await commands.access(['login']);
    const file = credentialFile(commands);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    chmodSync(file, 0o644);
    const token = await commands.access(['token', '--hostname', 'wiki.postern.test']);
    expect([token.code, token.stderr]).toEqual([1, expect.stringContaining('(CLI_CREDENTIALS)')]);
    expect((await commands.access(['login'])).code).toBe(0);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    chmodSync(file, 0o644);
    expect((await commands.access(['logout'])).code).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  it('L3 reads nothing from the folder it is run in, and writes nothing there', async () => {
    const { commands } = await start();
    const folder = tempDir('cwd');
    for (const name of ['credentials', 'key.pem', '.postern', 'postern.json', '.env']) {
      writeFileSync(join(folder, name), 'pcl_planted POSTERN_HOME=/nowhere');
    }
    const before = readdirSync(folder);
    const [command, args] = posternCommand('access', 'login');
    const { code } = await run(command, args, { env: commands.env, cwd: folder });
    expect([code, readdirSync(folder)]).toEqual([0, before]);
  });

  it('L15 refuses to sign in where there is a service token', async () => {
    const { commands } = await start();
    const env = { POSTERN_SERVICE_TOKEN_ID: 'id', POSTERN_SERVICE_TOKEN_SECRET: 's3cret' };
    const { code, stderr } = await commands.access(['login'], env);
    expect([code, stderr]).toEqual([2, expect.stringContaining('service token')]);
    expect(commands.visits).toEqual(['']);
  });

  it('says what to do where there is no browser', async () => {
    const { commands } = await start({
      intercept: ({ path }) =>
        path === '/.postern/client/token'
          ? {
              status: 400,
              headers: [['content-type', 'application/json']],
              body: '{"error":"access_denied"}',
            }
          : undefined,
    });
    const env = { BROWSER: undefined, DISPLAY: undefined, WAYLAND_DISPLAY: undefined };
    const { code, stderr } = await commands.access(['login'], env);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /visit this address in any browser:\n {2}https:\/\/auth\.postern\.test:\d+\/\.postern\/client\/device\n/,
    );
    expect(stderr).toMatch(/\n {2}[A-Z0-9]{4}-[A-Z0-9]{4}\n/);
    expect(stderr).toContain('it was refused in the browser (ACCESS_SIGN_IN)');
  });
});

describe('postern access logout', () => {
  it('ends the session and forgets its credential', async () => {
    const { gateway, commands } = await start();
    await commands.access(['login']);
    const file = credentialFile(commands);
    const { code, stdout } = await commands.access(['logout']);
    expect([code, stdout]).toEqual([0, `Signed out at ${gateway.origin}.\n`]);
    expect(existsSync(file)).toBe(false);
    const kinds = (await gateway.lab.sessions.list()).map(({ kind }) => kind);
    expect(kinds).toEqual(['browser']);
    expect((await commands.access(['logout'])).stdout).toContain('Nobody was signed in');
  });
});

describe('postern access token', () => {
  it('L9 prints a token where --print asks for it and nowhere else', async () => {
    const { gateway, commands } = await start();
    await commands.access(['login']);
    allow(gateway);
    const words = ['token', '--hostname', 'wiki.postern.test'];
    const silent = await commands.access(words);
    expect([silent.code, silent.stdout]).toEqual([
      0,
      expect.stringMatching(/^There is a token for "wiki" until .*--print prints it\.\n$/),
    ]);
    const printed = await commands.access([...words, '--print']);
    expect([printed.code, printed.stdout]).toEqual([
      0,
      'app-token-for-wiki.postern.test-of-alice\n',
    ]);
  });

  it('opens no browser: who is not signed in is told, with a status of its own', async () => {
    const { commands } = await start();
    const { code, stderr } = await commands.access(['token', '--hostname', 'wiki.postern.test']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('(ACCESS_SIGN_IN)')]);
    expect(commands.visits).toEqual(['']);
  });

  it.each([
    ['deny', 4, 'ACCESS_DENIED'],
    ['purpose', 4, 'ACCESS_PURPOSE'],
    ['sign-in', 3, 'ACCESS_SIGN_IN'],
  ] as const)('says so when the gate answers %j', async (verdict, status, wanted) => {
    const { gateway, commands } = await start();
    await commands.access(['login']);
    gateway.lab.verdicts.set('wiki.postern.test', verdict);
    const { code, stderr } = await commands.access(['token', '--hostname', 'wiki.postern.test']);
    expect([code, stderr]).toEqual([status, expect.stringContaining(`(${wanted})`)]);
  });
});

describe('postern access curl', () => {
  it('brings a token of that application along, and passes on what curl prints', async () => {
    const { gateway, commands, wiki } = await start();
    await commands.access(['login']);
    allow(gateway);
    const { code, stdout, stderr } = await commands.access([
      'curl',
      `${wiki}/a?b=c`,
      '--',
      '-s',
      '-X',
      'POST',
      '-d',
      'x=1',
    ]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'the application', stderr: '' });
    const request =
      gateway.requests.find((line) => line.startsWith('POST wiki.postern.test')) ?? '';
    expect(request).toContain('/a?b=c');
    // 12 hex digits of the SHA-256 of "wiki".
    expect(request).toContain(
      '"cookie":"__Host-postern_app_12a435ec8454=app-token-for-wiki.postern.test-of-alice"',
    );
    expect(request).toMatch(/ x=1$/);
  });

  it('asks an application for everybody without a token, and without a sign-in', async () => {
    const { gateway, commands } = await start();
    const url = `https://open.postern.test:${gateway.port}/`;
    const { code, stdout } = await commands.access(['curl', url, '--', '-s']);
    expect([code, stdout, commands.visits]).toEqual([0, 'the application', ['']]);
    expect(gateway.requests.at(-1)).not.toContain('cookie');
  });

  it.each([
    ['an option that does not exist', ['--no-such-option'], 2],
    ['a file that it cannot read', ['-T', '/nowhere'], 26],
    ['an answer that is an error', ['-f'], 22],
    ['a proxy that is not there', ['-x', 'http://127.0.0.1:1'], 7],
  ])("has curl's own exit status for %s", async (_, args, status) => {
    const { commands, gateway } = await start({
      intercept: ({ path }) =>
        path === '/missing' ? { status: 404, headers: [], body: '' } : undefined,
    });
    const url = `https://open.postern.test:${gateway.port}/missing`;
    expect((await commands.access(['curl', url, '-s', ...args])).code).toBe(status);
  });

  it('L5 keeps the token at its host, whatever redirects and further addresses there are', async () => {
    const { gateway, commands, wiki } = await start({
      intercept: ({ path, hostname }) =>
        path === '/away' && hostname === 'wiki.postern.test'
          ? {
              status: 302,
              headers: [['location', `https://db.postern.test:${gateway.port}/there`]],
              body: '',
            }
          : undefined,
    });
    await commands.access(['login']);
    allow(gateway);
    const { port } = gateway;
    const { code } = await commands.access([
      'curl',
      `${wiki}/away`,
      '--',
      '-sL',
      '--connect-to',
      `db.postern.test:${port}:127.0.0.1:${port}`,
      `https://db.postern.test:${port}/also`,
    ]);
    expect(code).toBe(0);
    const elsewhere = gateway.requests.filter(
      (line) => line.includes('db.postern.test') && !line.includes('proof'),
    );
    expect(elsewhere).toHaveLength(2);
    expect(elsewhere.join('\n')).not.toContain('app-token');
    expect(
      gateway.requests.some((line) => line.includes('/away') && line.includes('app-token')),
    ).toBe(true);
  });

  it('L9 has nothing secret among the arguments of any process, nor in what it says', async () => {
    const { gateway, commands, wiki } = await start();
    await commands.access(['login']);
    allow(gateway);
    const folder = tempDir('bin');
    const spy = join(folder, 'curl');
    writeFileSync(
      spy,
      '#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline\ntr "\\0" "\\n" < /proc/$PPID/cmdline\ntr "\\0" "\\n" < /proc/$$/environ\n',
    );
    chmodSync(spy, 0o755);
    const path = `${folder}:${process.env['PATH']}`;
    const { stdout, stderr, code } = await commands.access(['curl', wiki], { PATH: path });
    expect(code).toBe(0);
    expect(stdout).toContain('--cookie\n/dev/fd/3\n');
    const secret = String(JSON.parse(readFileSync(credentialFile(commands), 'utf8')).token).slice(
      4,
    );
    for (const text of [stdout, stderr]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain('app-token');
    }
    const urls = gateway.requests.map((line) => line.split(' ')[1]);
    expect(urls.join('\n')).not.toMatch(/pcl_|app-token-for/);
  });

  it('L13 says that the session is over, where nobody is there who could sign in', async () => {
    const { gateway, commands, wiki } = await start();
    await commands.access(['login']);
    allow(gateway);
    await gateway.lab.sessions.revokeWhere(({ kind }) => kind === 'client', 'test');
    const { code, stdout, stderr } = await commands.access(['curl', wiki, '--', '-s']);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^postern: .*not signed in.* \(ACCESS_SIGN_IN\)\n$/);
    expect(gateway.requests.join('\n')).not.toContain('GET wiki.postern.test/ ');
  });

  it('L15 shows a service token to the application, and to no other host it redirects to', async () => {
    const { gateway, commands, wiki } = await start({
      intercept: ({ path }) =>
        path === '/away'
          ? {
              status: 302,
              headers: [['location', `https://db.postern.test:${gateway.port}/`]],
              body: '',
            }
          : undefined,
    });
    const env = { POSTERN_SERVICE_TOKEN_ID: 'the-id', POSTERN_SERVICE_TOKEN_SECRET: 's3cret' };
    expect((await commands.access(['curl', `${wiki}/in`, '--', '-s'], env)).code).toBe(0);
    expect(gateway.requests.at(-1)).toMatch(
      /"postern-service-token-id":"the-id","postern-service-token-secret":"s3cret"/,
    );
    // 47: too many redirects.
    expect((await commands.access(['curl', `${wiki}/away`, '--', '-sL'], env)).code).toBe(47);
    expect(gateway.requests.join('\n')).not.toMatch(/db\.postern\.test.*s3cret/);
    expect(commands.visits).toEqual(['']);
  });
});

describe('an error of an access command', () => {
  const fail = async (words: readonly string[], env: Record<string, string | undefined> = {}) => {
    const [command, args] = posternCommand('access', ...words);
    const own = { POSTERN_HOME: tempDir('home'), POSTERN_KEYCHAIN: 'off', ...env };
    const { code, stderr } = await run(command, args, { env: posternEnv(own) });
    return [code, /\(([A-Z_]+)\)\n$/.exec(stderr)?.[1]];
  };

  it('tells a name that does not resolve from a port that refuses', async () => {
    expect(await fail(['login', 'https://nowhere.invalid'])).toEqual([1, 'LINK_DNS']);
    expect(await fail(['login', 'https://127.0.0.1:1'])).toEqual([1, 'LINK_REFUSED']);
  });

  it('L16 tells a certificate that is not trusted, and has no switch to trust it', async () => {
    const gateway = await startMiniGateway();
    expect(await fail(['login', gateway.url.href])).toEqual([1, 'LINK_TLS']);
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    expect(await fail(['login', gateway.url.href], env)).toEqual([1, 'LINK_TLS']);
    for (const flag of ['--insecure', '-k', '--no-verify']) {
      expect(await fail(['login', gateway.url.href, flag])).toEqual([2, 'CLI_USAGE']);
    }
  });

  it('tells a server that is no gateway, and one that speaks no TLS', async () => {
    const gateway = await startMiniGateway({
      intercept: () => ({ status: 200, headers: [['content-type', 'text/html']], body: 'hello' }),
    });
    const env = { POSTERN_CA: gateway.authority.writeFile() };
    expect(await fail(['login', gateway.url.href], env)).toEqual([1, 'LINK_HANDSHAKE']);
    const plain = createServer((socket) => socket.end('220 ready\r\n'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    cleanup(() => plain.close());
    const port = String(Reflect.get(Object(plain.address()), 'port'));
    expect(await fail(['login', `https://127.0.0.1:${port}`])).toEqual([1, 'LINK_TLS']);
  });

  it('tells that nothing is published there, and that its machine is away', async () => {
    const { gateway, commands } = await start();
    gateway.lab.offline.set('open.postern.test', 'ROUTE_NO_REPLICA');
    const url = `https://open.postern.test:${gateway.port}`;
    const away = await commands.access(['curl', url]);
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining('(ROUTE_NO_REPLICA)')]);
    gateway.lab.offline.set('open.postern.test', 'ROUTE_NOT_FOUND');
    const missing = await commands.access(['curl', url]);
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringContaining('(ROUTE_NOT_FOUND)'),
    ]);
  });

  it('L17 has no escape of a server in it', async () => {
    const { commands, wiki } = await start({
      intercept: ({ path }) =>
        path.startsWith('/.postern/client/access')
          ? {
              status: 500,
              headers: [['content-type', 'application/json']],
              body: JSON.stringify({ code: '\u001b[2J', requestId: '\u001b]0;x\u0007' }),
            }
          : undefined,
    });
    const { code, stderr } = await commands.access(['curl', wiki]);
    expect(code).toBe(1);
    // oxlint-disable-next-line no-control-regex
    expect(stderr).toMatch(/^postern: [^\u0000-\u001f]*answers 500 \(LINK_HANDSHAKE\)\n$/);
  });
});
