/**
 * Reloads that come to nothing leave the connector as it was, and say why; and all that belongs to a connector ends with it, whatever
 * became of its processes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import {
  childrenOf,
  isRunning,
  reloadByCommand,
  reloadBySignal,
  successors,
} from '../support/connector-reload.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLiveStream, type LiveStream } from '../support/live-traffic.ts';
import { isReady } from '../support/ops-client.ts';
import { startNotifySocket } from '../support/real/notify-socket.ts';
import { posternCommand, posternEnv } from '../support/run.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTerminal } from '../support/terminal.ts';

/** A hostname for each connector, to a web service and to plain TCP. */
const NAMES = Array.from({ length: 9 }, (_, index) => `of-${index}`);
const webOf = (name: string): string => `web-${name}.postern.test`;
const rawOf = (name: string): string => `raw-${name}.postern.test`;
const BIN = join(import.meta.dirname, '../../bin/postern.js');

/** What a process says that was taken over from, when the last stream is its successor's. */
const OWN_ENDED = /"msg":"all streams of this process have ended"/;

let gateway: Gateway;
let raw: HandingOrigin;

beforeAll(async () => {
  raw = await startHandingOrigin();
  gateway = await startGateway({ tcp: NAMES.map(rawOf) });
});

let started = 0;
let name = '';

/** A connector whose hostnames are those of the next name. */
async function start(
  options: Partial<Parameters<typeof startConnector>[0]> = {},
): Promise<Connector> {
  name = NAMES[started] ?? '';
  started += 1;
  const connector = await startConnector({
    gateway,
    ingress: [
      { hostname: webOf(name), service: 'http_status:201' },
      { hostname: rawOf(name), service: raw.service },
    ],
    ...options,
    config: { 'grace-period': undefined, ...options.config },
  });
  await connector.linksUp();
  return connector;
}

const liveStream = (): Promise<LiveStream> => startLiveStream(gateway.tcpPort(rawOf(name)), raw);

/** Ends a live stream as its users would. */
async function finish({ client, server, clientEnd, serverEnd }: LiveStream): Promise<void> {
  client.end();
  server.end();
  expect((await Promise.all([clientEnd, serverEnd])).map(({ how }) => how)).toEqual(['fin', 'fin']);
}

async function serves(): Promise<boolean> {
  return (await gateway.fetch(webOf(name))).status === 201;
}

describe('a reload that comes to nothing', () => {
  it('leaves the connector as it was, and tells the error of the new process', async () => {
    const folder = tempDir('reload');
    const [program, token] = [join(folder, 'postern.js'), join(folder, 'token')];
    writeFileSync(program, `import ${JSON.stringify(BIN)};\n`);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const connector = await start({ program, tokenFile: token });
    const stream = await liveStream();
    const good = readFileSync(connector.configFile, 'utf8');

    writeFileSync(connector.configFile, `${good}\nnonsense: 1\n`);
    const ofConfig = await reloadByCommand(connector);
    expect(ofConfig.code).toBe(2);
    expect(ofConfig.stderr).toMatch(/nonsense.*\(CONFIG_UNKNOWN_KEY\)\n$/s);
    writeFileSync(connector.configFile, good);

    writeFileSync(program, "throw new Error('half installed');\n");
    const ofCode = await reloadByCommand(connector, '-o', 'json');
    expect(ofCode).toMatchObject({ code: 1, stdout: '' });
    expect(ofCode.stderr).toMatch(/the new process ended with 1; its output says why/);
    expect(connector.process.stderr).toMatch(/half installed/);
    writeFileSync(program, `import ${JSON.stringify(BIN)};\n`);

    const own = readFileSync(token, 'utf8');
    const other = await gateway.createTunnel('gone', []);
    await gateway.json('tunnel', 'delete', other.name);
    writeFileSync(token, other.token);
    const ofToken = await reloadByCommand(connector);
    expect(ofToken.code).toBe(3);
    expect(ofToken.stderr).toMatch(/\(REGISTER_REFUSED\)\n$/);
    writeFileSync(token, 'no token');
    expect(await reloadByCommand(connector)).toMatchObject({ code: 3 });
    writeFileSync(token, own);

    // By signal there is nobody to tell but the log.
    writeFileSync(connector.configFile, 'gateway: [');
    connector.process.kill('SIGHUP');
    await eventually(
      () =>
        connector.log.filter(({ msg }) => String(msg).startsWith('the reload failed')).length === 5,
      { deadlineMs: 30_000 },
    );
    writeFileSync(connector.configFile, good);

    expect(successors(connector)).toEqual([]);
    await eventually(() => childrenOf(connector.process.pid).length === 0);
    expect(await isReady(connector.metricsPort)).toBe(true);
    expect(await serves()).toBe(true);
    // And the next one is as good as any.
    const { code, stdout } = await reloadByCommand(connector, '-o', 'json');
    expect(code).toBe(0);
    const outcome: unknown = JSON.parse(stdout);
    expect(outcome).toEqual({
      started: {
        pid: successors(connector)[0],
        replica: expect.any(String),
        links: 4,
        version: expect.any(String),
      },
      draining: connector.process.pid,
    });
    await finish(stream);
    expect(await connector.stop()).toEqual({ code: 0, signal: null });
  }, 240_000);

  it('cannot be asked for what is not there, nor for what is not clear', async () => {
    const connector = await start();
    const beside = await startConnector({
      gateway,
      tunnel: await gateway.createTunnel('beside', []),
      ingress: [{ service: 'http_status:204' }],
      env: { RUNTIME_DIRECTORY: connector.dir },
    });
    const unclear = await reloadByCommand(connector);
    expect(unclear.code).toBe(2);
    for (const { process } of [connector, beside]) {
      expect(unclear.stderr).toContain(`(process ${process.pid}, serving)`);
    }
    expect(unclear.stderr).toMatch(/name one with --pid \(CLI_USAGE\)\n$/);
    expect(await reloadByCommand(connector, 'nobody')).toMatchObject({ code: 1, stdout: '' });
    expect(await reloadByCommand(connector, '--pid', '1')).toMatchObject({ code: 1, stdout: '' });
    expect(await reloadByCommand(connector, '--pid', 'one')).toMatchObject({ code: 2, stdout: '' });
    expect(await reloadByCommand(connector, 'beside')).toMatchObject({ code: 0 });
    expect(successors(connector)).toEqual([]);
    expect(successors(beside)).toHaveLength(1);
    await Promise.all([connector.stop(), beside.stop()]);
    const nobody = await reloadByCommand(connector);
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/Cannot find a connector of this user; .*systemctl reload/);
  });
});

describe('the end of a connector that was reloaded', () => {
  it('SIGTERM to the first process drains all of them, and ends with 0', async () => {
    const connector = await start();
    const streams = [await liveStream()];
    for (let reload = 0; reload < 2; reload += 1) {
      await reloadBySignal(connector);
      streams.push(await liveStream());
    }
    const pids = [connector.process.pid, ...successors(connector)];
    expect(pids.filter(isRunning)).toEqual(pids);
    connector.process.kill('SIGTERM');
    await eventually(async () => !(await serves()));
    const moved = streams.map((stream) => stream.moved());
    await eventually(() => streams.every((stream, at) => stream.moved() > (moved[at] ?? 0)));
    await Promise.all(streams.map(finish));
    expect(await connector.process.exited).toEqual({ code: 0, signal: null });
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it('Ctrl-C is one request, though the terminal tells all of them, and a second one ends at once', async () => {
    const connector = await start();
    const before = await liveStream();
    await reloadBySignal(connector);
    const after = await liveStream();
    const pids = [connector.process.pid, ...successors(connector)];
    for (const pid of pids) process.kill(pid, 'SIGINT');
    await connector.process.waitForLine(/"msg":"draining"/);
    const toldAt = performance.now();
    const moved = [before, after].map((stream) => stream.moved());
    await eventually(() => before.moved() > (moved[0] ?? 0) && after.moved() > (moved[1] ?? 0));
    // Within 100 ms it would be the same key press.
    await eventually(() => performance.now() > toldAt + 150);
    for (const pid of pids) process.kill(pid, 'SIGINT');
    expect(await connector.process.exited).toEqual({ code: 1, signal: null });
    expect((await Promise.all([before.clientEnd, after.clientEnd])).map(({ how }) => how)).toEqual([
      'reset',
      'reset',
    ]);
    await eventually(() => pids.filter(isRunning).length === 0);
  });

  it('a kill -9 of the first process lets the others finish, and end', async () => {
    const connector = await start();
    const successor = await reloadBySignal(connector);
    await connector.process.waitForLine(OWN_ENDED);
    const stream = await liveStream();
    connector.process.kill('SIGKILL');
    await connector.process.exited;
    await eventually(async () => !(await serves()));
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved);
    await finish(stream);
    await eventually(() => !isRunning(successor));
  });

  it('the death of the process that took over ends the first one with its status, or has it replaced while there are streams', async () => {
    const connector = await start();
    const stream = await liveStream();
    const first = await reloadBySignal(connector);
    process.kill(first, 'SIGKILL');
    await eventually(() => successors(connector).length === 2, { deadlineMs: 30_000 });
    expect(await serves()).toBe(true);
    await finish(stream);
    await connector.process.waitForLine(OWN_ENDED);
    process.kill(successors(connector)[1] ?? 0, 'SIGKILL');
    expect(await connector.process.exited).toEqual({ code: 137, signal: null });
  });

  it('streams that outlast a grace period that was set are cut, and nothing else is', async () => {
    const connector = await start({ config: { 'grace-period': '1s' } });
    const stream = await liveStream();
    await reloadBySignal(connector);
    expect((await stream.clientEnd).how).toBe('reset');
    await connector.process.waitForLine(/streams that outlasted the grace period were cut/);
    const later = await liveStream();
    const moved = later.moved();
    await eventually(() => later.moved() > moved);
    await connector.stop();
  });
});

describe('a connector in a terminal', () => {
  it('is reloaded by SIGHUP, and drains with all of its processes when the terminal is closed', async () => {
    const connector = await start();
    await connector.stop();
    const [command, args] = posternCommand('tunnel', 'run', '--config', connector.configFile);
    const { token } = connector.tunnel;
    const terminal = startTerminal(command, args, {
      env: posternEnv({ POSTERN_TOKEN: token, RUNTIME_DIRECTORY: connector.dir }),
      columns: 300,
    });
    await terminal.shows(/link registered/);
    const stream = await liveStream();
    process.kill(terminal.pid, 'SIGHUP');
    const [, successor] = await terminal.shows(/has taken over\S* \S*process\S*=(\d+)/);
    const pids = [terminal.pid, Number(successor)];
    expect(pids.filter(isRunning)).toEqual(pids);
    terminal.close();
    await eventually(async () => !(await serves()));
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved + 100);
    await finish(stream);
    await eventually(() => pids.filter(isRunning).length === 0);
  });
});

describe('a connector under systemd', () => {
  it('hands the service over, and the last one ends last', async () => {
    const notify = await startNotifySocket();
    const connector = await start({
      env: { NOTIFY_SOCKET: notify.path, WATCHDOG_USEC: '600000' },
    });
    const told = (line: string): boolean => notify.notices().some((lines) => lines.includes(line));
    await eventually(() => told('READY=1') && told('WATCHDOG=1'));
    const stream = await liveStream();
    const first = connector.process.pid;

    await reloadByCommand(connector, '--pid', String(first));
    const [second = 0] = successors(connector);
    const notices = notify.notices();
    const at = (line: string): number => notices.findLastIndex((lines) => lines.includes(line));
    expect(at('RELOADING=1')).toBeGreaterThan(-1);
    expect(at(`MAINPID=${second}`)).toBeGreaterThan(at('RELOADING=1'));
    await eventually(() => {
      const since = notify.notices().slice(at(`MAINPID=${second}`) + 1);
      expect(since.flat().filter((line) => line === 'READY=1')).toHaveLength(1);
      expect(since.flat().filter((line) => line === 'WATCHDOG=1').length).toBeGreaterThan(1);
    });
    // It finishes its stream, and is no longer the one to ask.
    expect(isRunning(first)).toBe(true);
    const late = await reloadByCommand(connector, '--pid', String(first));
    expect(late).toMatchObject({ code: 1 });
    expect(late.stderr).toContain(`process ${second} has taken over from this one`);

    // The next hand-over is that of a changed file.
    connector.configure([{ hostname: webOf(name), service: 'http_status:201' }], {
      'ha-connections': 2,
    });
    await eventually(() => successors(connector).length === 2, { deadlineMs: 60_000 });
    const [, third = 0] = successors(connector);
    await eventually(() => !isRunning(second));
    expect(told(`MAINPID=${third}`)).toBe(true);
    // What systemd does to stop a service of KillMode=mixed.
    process.kill(third, 'SIGTERM');
    await eventually(() => told('STOPPING=1'));
    await eventually(async () => !(await serves()));
    expect([first, third].filter(isRunning)).toEqual([first, third]);
    await finish(stream);
    expect(await connector.process.exited).toEqual({ code: 0, signal: null });
    await eventually(() => !isRunning(third));
  });
});
