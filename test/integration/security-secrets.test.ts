/**
 * K3 of docs/security.md: a tunnel token is where it was put and nowhere else. Canaries are looked for in all that
 * gateway, connector and commands print at their most talkative, in their arguments, and in every file they write.
 */
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { auditEvents } from '../support/audit-log.ts';
import { startConnector, type Connector, type ConnectorOptions } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Tunnel } from '../support/gateway.ts';
import { dialLink, HELLO, REGISTER } from '../support/link-bytes.ts';
import { freePort } from '../support/real/port.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';

const PROXY_PASSWORD = 'canary-of-the-proxy';

let dir: string;
let gateway: Gateway;
let tunnel: Tunnel;
/** Another tunnel's token, of which the last character was lost. */
let torn: string;
const connectors: Connector[] = [];

beforeAll(async () => {
  dir = tempDir('secrets');
  gateway = await startGateway({ config: { log: { level: 'trace' } } });
  tunnel = await gateway.createTunnel('guarded', ['guarded.postern.test']);
  torn = (await gateway.createTunnel('other')).token.slice(0, -1);
});

/** Pieces of a secret, so that half of it is found as well. */
function canaries(token: string): string[] {
  // The id of the tunnel, which is no secret, is the first 22 characters behind the prefix.
  const secret = token.slice('pst_'.length + 22);
  const pieces = [];
  for (let at = 0; at + 12 <= secret.length; at += 4) pieces.push(secret.slice(at, at + 12));
  const bytes = Buffer.from(token.slice('pst_'.length), 'base64url').subarray(16, 46);
  return [...pieces, bytes.toString('hex').slice(0, 24), bytes.toString('base64').slice(4, 24)];
}

function expectNoSecret(where: string, text: string): void {
  for (const token of [tunnel.token, torn]) {
    const found = canaries(token).filter((piece) => text.includes(piece));
    expect({ where, found, text: found.length > 0 ? text : '' }).toEqual({
      where,
      found: [],
      text: '',
    });
  }
  expect({ where, has: text.includes(PROXY_PASSWORD) }).toEqual({ where, has: false });
}

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** A connector that is told its token in some way, and by no other. */
async function connectorWith(
  env: Record<string, string>,
  config: ConnectorOptions['config'] = {},
): Promise<Connector> {
  const connector = await startConnector({
    gateway,
    tunnel,
    ingress: [{ hostname: 'guarded.postern.test', service: 'http_status:204' }],
    config: { loglevel: 'trace', ...config },
    env: { POSTERN_TOKEN: undefined, ...env },
  });
  connectors.push(connector);
  return connector;
}

/** Where people put a token that does not belong there: what they type, and the environment. */
const MISTAKES: readonly (readonly [string, readonly string[], Record<string, string>])[] = [
  ['--token', ['--token', 'TOKEN'], {}],
  ['--token=', ['--token=TOKEN'], {}],
  ['the name of the tunnel', ['TOKEN'], {}],
  ['the name of a file', ['--token-file', 'TOKEN'], {}],
  ['a torn token in the environment', [], { POSTERN_TOKEN: 'TORN' }],
  ['the name of a file in the environment', [], { POSTERN_TOKEN_FILE: 'TOKEN' }],
  ['a part of an address', ['--gateway', 'https://TOKEN@gw.postern.test'], {}],
  ['an address', [], { POSTERN_GATEWAY: 'TOKEN' }],
  ['a log level', ['--log-level', 'TOKEN'], {}],
  ['an option that there is not', ['--TOKEN'], {}],
  ['a metrics address', ['--metrics', 'TOKEN'], {}],
  ['a file with a torn token', ['--token-file', 'FILE-TORN'], {}],
  ['a file with broken JSON', ['--token-file', 'FILE-BROKEN'], {}],
  ['a file with more than one', ['--token-file', 'FILE-TWO'], {}],
  ['tunnel: in the file', ['--config', 'FILE-TUNNEL'], {}],
  ['token: in the file', ['--config', 'FILE-KEY'], {}],
  ['credentials-file: in the file', ['--config', 'FILE-CREDENTIALS'], {}],
  ['service: in the file', ['--config', 'FILE-SERVICE'], {}],
  ['the file itself', ['--config', 'FILE-TORN'], {}],
];

const MISPLACED: readonly (readonly string[])[] = [
  ['create', 'TOKEN'],
  ['info', 'TOKEN'],
  ['rotate', 'TOKEN'],
  ['route', 'add', 'TOKEN', 'a.postern.test'],
  ['route', 'add', 'guarded', 'TOKEN'],
  ['route', 'remove', 'TOKEN'],
  ['TOKEN'],
];

const BASE = 'gateway: https://gw.postern.test\ningress: [{ service: hello_world }]\n';

/** A word of a case with what it stands for in its place. */
function put(word: string): string {
  const files: Readonly<Record<string, string>> = {
    'FILE-TORN': torn,
    'FILE-BROKEN': `{"token": "${tunnel.token}" "id": 1}`,
    'FILE-TWO': `${tunnel.token}\n${tunnel.token}\n`,
    'FILE-TUNNEL': `${BASE}tunnel: ${tunnel.token}\n`,
    'FILE-KEY': `${BASE}token: ${tunnel.token}\n`,
    'FILE-CREDENTIALS': `${BASE}credentials-file: ${tunnel.token}\n`,
    'FILE-SERVICE': `gateway: https://gw\ningress: [{ service: "${tunnel.token}" }]\n`,
  };
  const named = files[word];
  if (named !== undefined) return file(word.toLowerCase(), named);
  return word.replace('TOKEN', tunnel.token).replace('TORN', torn);
}

describe('K3 a token', () => {
  it('comes from the environment or a file, and is in no arguments and no log', async () => {
    const asText = file('token', `${tunnel.token}\n`);
    const asJson = file('credentials.json', JSON.stringify(tunnel));
    const all = await Promise.all([
      connectorWith({ POSTERN_TOKEN: tunnel.token }),
      connectorWith({ POSTERN_TOKEN_FILE: asText }),
      connectorWith({}, { 'credentials-file': asJson }),
    ]);
    expect((await gateway.fetch('guarded.postern.test')).status).toBe(204);
    for (const { process, metricsPort } of all) {
      const command = readFileSync(`/proc/${process.pid}/cmdline`, 'utf8');
      expect(command).toContain('tunnel\0run');
      expectNoSecret('arguments', command);
      for (const path of ['/ready', '/metrics']) {
        const text = await (await fetch(`http://127.0.0.1:${metricsPort}${path}`)).text();
        expectNoSecret(path, text);
      }
    }
  });

  it('in the wrong place is refused and not repeated', async () => {
    const outcomes = await inParallel(MISTAKES, async ([name, words, env]) => {
      const isWholeConfig = words.includes('--config');
      const config = isWholeConfig ? [] : ['--config', file('base.yml', BASE)];
      const putEnv = Object.fromEntries(
        Object.entries(env).map(([key, value]) => [key, put(value)]),
      );
      const result = await postern(['tunnel', 'run', ...words.map(put), ...config], putEnv);
      return { name, ...result };
    });
    for (const { name, code, stdout, stderr } of outcomes) {
      expect({ name, code: code === 2 || code === 3 }).toEqual({ name, code: true });
      expect(stderr).toMatch(/^postern: [^\n]+ \([A-Z_]+\)\n$/);
      expect(stdout).toBe('');
      expectNoSecret(name, stderr);
    }
  });

  it('given to a command by mistake is not repeated', async () => {
    const outcomes = await inParallel(MISPLACED, (words) =>
      gateway.cli('tunnel', ...words.map(put)),
    );
    for (const { code, stdout, stderr } of outcomes) {
      expect([1, 2]).toContain(code);
      expectNoSecret('output', stdout + stderr);
    }
  });

  it('that is wrong is not in the log of the gateway that refuses it', async () => {
    for (const token of [torn, `${torn}B`, tunnel.token.replace(/.{3}$/, 'AAA')]) {
      const link = await dialLink(gateway);
      link.control(HELLO);
      link.control({ ...REGISTER, token });
      await link.closed;
    }
    const refused = gateway.log.filter(({ msg }) => msg === 'registration refused');
    expect(refused.length).toBeGreaterThanOrEqual(3);
  });

  it('is not what commands show, nor the audit log, nor an error page', async () => {
    for (const words of [
      ['tunnel', 'list'],
      ['tunnel', 'info', 'guarded'],
      ['tunnel', 'route', 'list'],
      ['gateway', 'status'],
      ['gateway', 'validate'],
    ]) {
      expectNoSecret(words.join(' '), JSON.stringify(await gateway.json(...words)));
    }
    expectNoSecret('audit', JSON.stringify(await auditEvents(gateway)));
    const metrics = await fetch(`http://127.0.0.1:${gateway.ports.metrics}/metrics`);
    expectNoSecret('metrics', await metrics.text());
    const page = await gateway.fetch('nobody.postern.test', `/?token=${tunnel.token}`);
    expectNoSecret('page', page.body.toString());
  });

  it('is in no file of the gateway, which are for its own user only', () => {
    const data = join(gateway.dir, 'data');
    const names = readdirSync(data);
    expect(names).toEqual(
      expect.arrayContaining(['postern.db', 'key.pem', 'ca-key.pem', 'admin.sock']),
    );
    expect(lstatSync(data).mode & 0o077).toBe(0);
    const secret = Buffer.from(tunnel.token.slice('pst_'.length), 'base64url').subarray(16);
    for (const name of names) {
      const { mode } = lstatSync(join(data, name));
      const isPublic = name === 'ca.pem' || name === 'cert.pem';
      if (!isPublic) expect({ name, forOthers: mode & 0o077 }).toEqual({ name, forOthers: 0 });
      if (name === 'admin.sock') continue;
      const content = readFileSync(join(data, name));
      expectNoSecret(name, content.toString('latin1'));
      expect({ name, has: content.includes(secret) }).toEqual({ name, has: false });
    }
  });
});

it('K3 the password of a proxy is in no log', async () => {
  const proxy = `http://user:${PROXY_PASSWORD}@127.0.0.1:${await freePort()}`;
  const connector = await startConnector({
    gateway,
    tunnel,
    ingress: [{ service: 'http_status:204' }],
    config: { loglevel: 'trace' },
    env: { HTTPS_PROXY: proxy },
    waitUntilReady: false,
  });
  connectors.push(connector);
  await eventually(() => connector.log.some(({ errCode }) => errCode === 'LINK_REFUSED'));
});

it('K3 nothing of it is in anything that was printed in all of this', () => {
  expect(connectors).toHaveLength(4);
  for (const { process } of connectors) expectNoSecret(process.name, process.output.text());
  expectNoSecret('gateway', gateway.process.output.text());
  expect(gateway.process.output.lines.length).toBeGreaterThan(20);
});

async function postern(words: readonly string[], env: Record<string, string>): Promise<RunResult> {
  const [command, args] = posternCommand(...words);
  return run(command, args, { env: posternEnv(env), cwd: dir, deadlineMs: 30_000 });
}

/** Does something with each of many, a few at once. */
async function inParallel<T, R>(all: readonly T[], act: (one: T) => Promise<R>): Promise<R[]> {
  const waiting = [...all];
  const results: R[] = [];
  const next = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      results.push(await act(one));
    }
  };
  await Promise.all(Array.from({ length: 4 }, next));
  return results;
}
