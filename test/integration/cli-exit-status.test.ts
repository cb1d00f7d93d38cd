/** What scripts rely on: the exit status of `postern`, one line per error, and nothing on stdout but results. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startProcess } from '../support/processes.ts';
import { freePort } from '../support/real/port.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';

// Each case starts programs, and the machine may be busy.

let dir = '';
let gateway = '';
let connector = '';

beforeAll(async () => {
  dir = tempDir('exit');
  gateway = file('gateway.yaml', `domain: postern.test\nlisten: { https: "127.0.0.1:0" }\n`);
  connector = file(
    'config.yml',
    `gateway: https://127.0.0.1:${await freePort()}\ningress:\n  - { service: hello_world }\n`,
  );
});

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function postern(words: readonly string[], env = {}): Promise<RunResult> {
  const [command, args] = posternCommand(...words);
  return run(command, args, { env: posternEnv(env), cwd: dir });
}

/** Checks that it failed with one line and nothing else. */
function expectLine(result: RunResult, status: number, line: RegExp): void {
  expect(result.stderr).toMatch(/^postern: [^\n]+ \([A-Z_]+\)\n$/);
  expect(result.stderr).toMatch(line);
  expect(result.stdout).toBe('');
  expect(result.code).toBe(status);
}

describe('status 0', () => {
  it.each([
    [['--version'], /^\d+\.\d+\.\d+\n$/],
    [['version'], /^postern \d+\.\d+\.\d+ \(node v\d+/],
    [['--help'], /^postern <command>\n/],
    [['help', 'tunnel', 'run'], /^postern tunnel run \[tunnel\]\n/],
    [['tunnel', 'route', '-h'], /postern tunnel route add <tunnel> <hostname>/],
  ])('postern %j', async (words, printed) => {
    const result = await postern(words);
    expect(result.stdout).toMatch(printed);
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
  });

  it('a configuration that is valid', async () => {
    const checked = await postern(['gateway', 'validate', '--config', gateway]);
    expect(checked).toMatchObject({ code: 0, stdout: `${gateway} is valid.\n`, stderr: '' });
    const ingress = await postern(['tunnel', 'ingress', 'validate', '--config', connector]);
    expect(ingress).toMatchObject({ code: 0, stdout: `${connector} is valid: 1 ingress rule.\n` });
  });
});

describe('status 1', () => {
  it('asking a gateway that does not run', async () => {
    for (const word of ['status', 'drain']) {
      const result = await postern(['gateway', word, '--config', gateway]);
      expectLine(result, 1, /none runs with data-dir ".*data" \(CLI_FAILED\)$/m);
    }
  });

  it('a connector that is not ready', async () => {
    const metrics = `127.0.0.1:${await freePort()}`;
    const result = await postern(['tunnel', 'ready', '--metrics', metrics]);
    expectLine(result, 1, /nothing listens there \(CLI_NOT_READY\)/);
  });

  it('a tunnel that does not exist', async () => {
    const result = await postern(['tunnel', 'info', 'nobody', '--config', gateway]);
    expectLine(result, 1, /"nobody".*\(STORE_NOT_FOUND\)/);
  });
});

describe('status 2', () => {
  it.each([
    [[], /a command is missing/],
    [['tunel'], /unknown command "tunel"; did you mean "tunnel"\?/],
    [['tunnel', 'rotat', 'x'], /did you mean "rotate"\?/],
    [['tunnel', 'list', '--confg', 'x'], /unknown option "--confg"; did you mean "--config"\?/],
    [['tunnel', 'list', '--config'], /option "--config" needs a value/],
    [['tunnel', 'list', 'extra'], /unexpected argument "extra"/],
    [['tunnel', 'list', '-o', 'yaml'], /"--output" must be one of "text", "json"; found "yaml"/],
    [['tunnel', 'create'], /an argument is missing; write "postern tunnel create <name>"/],
    [['gateway', 'restart'], /unknown command "restart"/],
    [['gateway', 'run', '--config', 'nowhere.yaml'], /nowhere.yaml: does not exist/],
    [['tunnel', 'run', '--config', 'nowhere.yml'], /nowhere.yml: does not exist/],
    [['tunnel', 'ready', '--metrics', 'here'], /write it like 127.0.0.1:2000/],
    [['tunnel', 'ready'], /no metrics address/],
  ])('postern %j', async (words, line) => {
    expectLine(await postern(words), 2, line);
  });

  it('a mistake in a configuration, by file and line', async () => {
    const path = file('typo.yaml', 'domain: postern.test\nlistn: { https: ":1" }\n');
    for (const word of ['run', 'validate', 'status']) {
      const result = await postern(['gateway', word, '--config', path]);
      expectLine(result, 2, /typo\.yaml:2: .*listen.*\(CONFIG_UNKNOWN_KEY\)/);
    }
    const ingress = file(
      'typo.yml',
      'gateway: https://gw\ningress:\n  - { servce: hello_world }\n',
    );
    for (const words of [['run'], ['ingress', 'validate'], ['ingress', 'rule', 'x.test']]) {
      const result = await postern(['tunnel', ...words, '--config', ingress]);
      expectLine(result, 2, /typo\.yml:3: .*service.*\(CONFIG_UNKNOWN_KEY\)/);
    }
  });

  it('an option that cannot be', async () => {
    const words = ['gateway', 'validate', '--config', gateway, '--grace-period', 'soon'];
    expectLine(await postern(words), 2, /--grace-period: .*duration such as 30s.*CONFIG_INVALID/);
  });

  it('a port that is taken', async () => {
    const port = await freePort();
    const program = `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`;
    await startProcess(process.execPath, ['-e', program]).waitForLine(/up/);
    const path = file(
      'taken.yaml',
      `domain: postern.test\ndata-dir: ./taken\nlisten: { https: "127.0.0.1:${port}" }\nlog: { level: error }\n`,
    );
    const result = await postern(['gateway', 'run', '--config', path]);
    expectLine(result, 2, new RegExp(`127.0.0.1:${port}.*CONFIG_PORT_IN_USE`));
    const listening = ['tunnel', 'run', '--config', connector, '--log-level', 'error'];
    const token = `pst_${'A'.repeat(64)}`;
    const busy = await postern([...listening, '--metrics', `127.0.0.1:${port}`], {
      POSTERN_TOKEN: token,
    });
    expectLine(busy, 2, new RegExp(`127.0.0.1:${port}.*CONFIG_PORT_IN_USE`));
  });

  it('a name or hostname that cannot be one', async () => {
    expectLine(
      await postern(['tunnel', 'create', 'My Tunnel', '--config', gateway]),
      2,
      /"My Tunnel".*ADMIN_BAD_REQUEST/,
    );
    expectLine(
      await postern(['tunnel', 'route', 'remove', 'https://a.test/', '--config', gateway]),
      2,
      /without scheme.*ADMIN_BAD_REQUEST/,
    );
  });

  it('a data directory whose socket has no room', async () => {
    const path = file(
      'deep.yaml',
      `domain: a.test\nlisten: { https: ":0" }\ndata-dir: ./${'d'.repeat(120)}\n`,
    );
    for (const words of [
      ['gateway', 'run'],
      ['tunnel', 'list'],
    ]) {
      const result = await postern([...words, '--config', path]);
      expectLine(result, 2, /choose a shorter data-dir \(CONFIG_INVALID\)/);
    }
  });

  it('a token among the arguments, which is not repeated', async () => {
    const token = `pst_${'A'.repeat(64)}`;
    for (const words of [
      ['--token', token],
      [`--token=${token}`],
      ['--tokn', token],
      [token, 'x'],
    ]) {
      const result = await postern(['tunnel', 'run', ...words, '--config', connector]);
      expect(result.code).toBe(2);
      expect(result.stderr).not.toContain('AAAA');
      expect(result.stdout).toBe('');
    }
    const result = await postern(['tunnel', 'run', '--token', token]);
    expectLine(result, 2, /in ps; put it into a file and use --token-file/);
  });

  it('a connector without a token', async () => {
    const result = await postern(['tunnel', 'run', '--config', connector]);
    expectLine(result, 2, /it has no token; name a file with --token-file/);
  });

  it('a tunnel that is not the one of the token', async () => {
    const token = file('web.json', JSON.stringify({ token: `pst_${'A'.repeat(64)}`, name: 'web' }));
    const words = ['tunnel', 'run', 'other', '--config', connector, '--token-file', token];
    expectLine(await postern(words), 2, /"other" is not the tunnel of the credentials/);
  });
});

describe('status 3', () => {
  it('what is no token, in a file or in the environment', async () => {
    const inFile = ['--token-file', file('garbage', 'pst_not-whole')];
    const run1 = await postern(['tunnel', 'run', '--config', connector, ...inFile]);
    expectLine(run1, 3, /holds no tunnel token.*REGISTER_REFUSED/);
    const run2 = await postern(['tunnel', 'run', '--config', connector], {
      POSTERN_TOKEN: 'pst_x',
    });
    expectLine(run2, 3, /POSTERN_TOKEN: it is not a tunnel token.*REGISTER_REFUSED/);
  });
});

describe('the environment', () => {
  it('names the configuration and overrides it', async () => {
    const env = { POSTERN_CONFIG: gateway, POSTERN_DOMAIN: 'other.test' };
    const { code, stdout } = await postern(['gateway', 'validate', '-o', 'json'], env);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ file: gateway, valid: true, domain: 'other.test' });
    const words = ['gateway', 'validate', '-o', 'json', '--domain', 'flag.test'];
    expect(JSON.parse((await postern(words, env)).stdout)).toMatchObject({ domain: 'flag.test' });
  });
});
