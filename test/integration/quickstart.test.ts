/** `postern quickstart`: what it prints is pasted into a shell, as it is. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { mustRun, posternCommand, posternEnv, run } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { findProgram, toolPath } from '../support/tools.ts';

interface Started {
  readonly program: TestProcess;
  /** The two commands, as printed. */
  readonly page: string;
  readonly echo: string;
}

/** Starts it and waits for its commands. */
async function start(words: readonly string[], env = {}): Promise<Started> {
  const [node, args] = posternCommand('quickstart', ...words);
  const program = startProcess(node, args, { env: posternEnv(env) });
  await program.waitForLine(/^Stop with Ctrl-C\.$/, 30_000);
  const [page = '', echo = '', ...more] = program.stdout
    .split('\n')
    .flatMap((line) => /^ {2}(\S.*)$/.exec(line)?.[1] ?? []);
  expect(more).toEqual([]);
  return { program, page, echo };
}

function portIn(command: string): number {
  return Number(/(?:localhost:|127\.0\.0\.1\/)(\d+)/.exec(command)?.[1]);
}

async function expectWorking({ page, echo }: Started, env = posternEnv()): Promise<void> {
  const { stdout } = await mustRun('sh', ['-c', page], { env });
  expect(stdout).toMatch(/^It works\.\n/);
  expect(stdout).toContain(`gateway       127.0.0.1:${portIn(page)}\n`);
  const echoed = await mustRun('sh', ['-c', echo], { env });
  expect(echoed.stdout).toBe('hello through the tunnel\n');
}

it('prints two commands that work as they are, and stops with Ctrl-C', async () => {
  const dir = join(tempDir('quick'), "it's state");
  const started = await start(['--data-dir', dir]);
  const { program } = started;
  expect(program.stderr).toBe('');
  await expectWorking(started);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(dir).filter((file) => /key|\.db|credentials/.test(file))) {
    expect(statSync(join(dir, name)).mode & 0o077).toBe(0);
  }

  // Its files are real ones: the other commands work on it.
  const [node, args] = posternCommand('tunnel', 'info', 'quickstart', '-o', 'json');
  const how = { env: posternEnv({ POSTERN_CONFIG: join(dir, 'gateway.yaml') }) };
  const info: object = JSON.parse((await mustRun(node, args, how)).stdout);
  expect(info).toMatchObject({
    routes: ['echo.postern.localhost', 'hello.postern.localhost'],
    replicas: [{ hostnames: ['hello.postern.localhost', 'echo.postern.localhost', '*'] }],
  });

  program.kill('SIGINT');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stderr).toBe('');

  // What it left behind does not keep it from starting again.
  const again = await start(['--data-dir', dir]);
  await expectWorking(again);
  again.program.kill('SIGKILL');
  await again.program.exited;
  const afterKill = await start(['--data-dir', dir]);
  await expectWorking(afterKill);
  expect((await afterKill.program.stop()).code).toBe(0);
});

it('keeps its state where the user keeps state', async () => {
  const home = tempDir('home');
  const { program, page } = await start([], { HOME: home, XDG_STATE_HOME: undefined });
  expect(page).toContain(`--cacert ${home}/.local/state/postern/quickstart/ca.pem`);
  await program.stop('SIGINT');
  const xdg = await start([], { HOME: home, XDG_STATE_HOME: join(home, 'xdg') });
  expect(xdg.page).toContain(`--cacert ${home}/xdg/postern/quickstart/ca.pem`);
});

it('takes the next ports when the usual ones are taken', async () => {
  const taken: number[] = [];
  for (const port of [8443, 7007]) {
    const server = createServer();
    cleanup(() => server.close());
    // Somebody else on this machine may have it, which will do as well.
    await once(server.listen(port, '127.0.0.1'), 'listening').catch(() => undefined);
    taken.push(port);
  }
  const started = await start(['--data-dir', tempDir('quick')]);
  for (const command of [started.page, started.echo]) expect(taken).not.toContain(portIn(command));
  await expectWorking(started);
});

it('refuses to run twice in one folder, and runs twice in two', async () => {
  const dir = tempDir('quick');
  const first = await start(['--data-dir', dir]);
  const [node, args] = posternCommand('quickstart', '--data-dir', dir);
  const second = await run(node, args, { env: posternEnv() });
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second.stderr).toMatch(/runs in ".*" already; stop it.*\(CONFIG_PORT_IN_USE\)\n$/);
  const other = await start(['--data-dir', tempDir('quick')]);
  await expectWorking(other);
  await expectWorking(first);
});

it('works behind proxy settings, with an old curl, and without nc', async () => {
  const proxies = { https_proxy: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1' };
  // A machine with bash and an old curl and nothing else: no nc, no telnet, no socat.
  const bin = join(tempDir('bin'), 'bin');
  mkdirSync(bin);
  for (const name of ['sh', 'bash', 'head'])
    symlinkSync(findProgram(name) ?? name, join(bin, name));
  const oldCurl = `#!${findProgram('bash')}\nif [ "$1" = --version ]; then echo 'curl 7.74.0 (x86_64)'; else exec ${toolPath('curl')} "$@"; fi\n`;
  await mustRun('bash', ['-c', `cat > '${bin}/curl' && chmod +x '${bin}/curl'`], {
    input: oldCurl,
  });
  const env = posternEnv({ ...proxies, PATH: bin });
  const started = await start(['--data-dir', tempDir('quick')], { ...proxies, PATH: bin });
  expect(started.page).toContain(`--noproxy '*'`);
  await expectWorking(started, env);
});

it('says what it cannot do', async () => {
  const [node, args] = posternCommand('quickstart', '--data-dir', '/dev/null/state');
  const result = await run(node, args, { env: posternEnv() });
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toMatch(
    /^postern: Cannot write "\/dev\/null\/state": .*choose another --data-dir \(CONFIG_UNREADABLE\)\n$/,
  );
});

it('logs what happens when asked to', async () => {
  const { program } = await start(['--data-dir', tempDir('quick'), '--verbose']);
  expect(program.stderr).toMatch(/gateway ready[^]*link registered/);
});
