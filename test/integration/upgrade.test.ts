/**
 * An upgrade as people do it: a version installed from its packed tarball, traffic on, the next one installed over it, and
 * a reload. Then two that cannot run.
 *
 * Packages are packed and installed by npm. They name no dependencies, which are found beside the prefix instead: so no
 * registry is needed, and what npm replaces under the running programs is all of our own code.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startForward } from '../support/client.ts';
import { Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges, type Exchange } from '../support/exchange.ts';
import { Gateway } from '../support/gateway.ts';
import { isReady } from '../support/ops-client.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { freePort } from '../support/real/port.ts';
import { whenReady } from '../support/real/ready.ts';
import { mustRun, posternEnv, run, type RunResult } from '../support/run.ts';
import { askHttp, SteadyRequests, type Asked } from '../support/steady-requests.ts';
import { tempDir } from '../support/temp-dir.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const PARTS = ['bin', 'dist', 'service-files', 'README.md', 'CHANGELOG.md', 'LICENSE'];
const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const [FIRST, SECOND, BROKEN, STUCK] = ['9.0.0', '9.1.0', '9.2.0', '9.3.0'];

/** What is changed in a package: the text of a compiled module, before the program is made of them. */
type Change = readonly [file: string, change: (text: string) => string];

/** Workers have this long to get ready in the packages, ms, so that the test need not wait for half a minute. */
const READY_MS = 6_000;
const IMPATIENT: Change = [
  'core/limits.js',
  (text) => text.replace('workerReadyMs: 30_000', `workerReadyMs: ${READY_MS}`),
];

/** How long the old processes may have streams: those of the test live to its end, and packing takes its time. */
const GRACE = '600s';

/** Time between two requests of a user, ms. */
const PACE_MS = 40;

const prefix = tempDir('prefix');
const postern = join(prefix, 'bin', 'postern');

let gateway: Gateway;
let gatewayProcess: TestProcess;
let connectorProcess: TestProcess;
let web: SteadyRequests;
let exchanges: Exchange[];

/** Packs the tree as this version. */
async function pack(version: string, changes: readonly Change[] = []): Promise<string> {
  const stage = join(tempDir('package'), version);
  mkdirSync(stage);
  for (const part of PARTS) {
    // Maps and declarations are not what is run.
    const filter = (path: string): boolean => !/\.(?:map|d\.ts|tsbuildinfo)$/.test(path);
    cpSync(join(REPOSITORY, part), join(stage, part), { recursive: true, filter });
  }
  const manifest: Record<string, unknown> = JSON.parse(
    readFileSync(join(REPOSITORY, 'package.json'), 'utf8'),
  );
  const isOwn = ([key]: [string, unknown]): boolean => !/dependencies$|^overrides$/i.test(key);
  const own = Object.fromEntries(Object.entries(manifest).filter(isOwn));
  writeFileSync(join(stage, 'package.json'), JSON.stringify({ ...own, version }));
  for (const [file, change] of changes) {
    const path = join(stage, 'dist', file);
    const before = readFileSync(path, 'utf8');
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
  }
  if (changes.length > 0) await bundle(stage);
  const { stdout } = await npm('pack', stage, '--pack-destination', stage, '--json');
  const [{ filename }]: [{ filename: string }] = JSON.parse(stdout);
  return join(stage, filename);
}

/** What `npm run build` does last. */
async function bundle(stage: string): Promise<void> {
  cpSync(join(REPOSITORY, 'packaging'), join(stage, 'packaging'), { recursive: true });
  symlinkSync(join(REPOSITORY, 'node_modules'), join(stage, 'node_modules'));
  await mustRun(process.execPath, [join(stage, 'packaging', 'bundle.js')], { deadlineMs: 60_000 });
  rmSync(join(stage, 'node_modules'));
}

/** The command of docs/operations.md, with a file where people name a version. */
async function install(tarball: string): Promise<void> {
  await npm('install', '-g', tarball, '--prefix', prefix, '--offline');
}

async function npm(...args: readonly string[]): Promise<RunResult> {
  const env = { npm_config_cache: join(prefix, 'cache'), npm_config_loglevel: 'error' };
  return mustRun('npm', args, { env, cwd: prefix, deadlineMs: 60_000 });
}

/** Runs the command that is installed now. */
async function installed(...args: readonly string[]): Promise<RunResult> {
  return run(postern, args, { env: posternEnv(), deadlineMs: 60_000 });
}

async function reloadGateway(): Promise<RunResult> {
  return installed('gateway', 'reload', '--config', gateway.configFile);
}

async function reloadConnector(): Promise<RunResult> {
  return installed('tunnel', 'reload', '--pid', String(connectorProcess.pid));
}

/** Versions of the gateway's worker that serves, and of the connectors that are registered. */
async function versions(): Promise<{ gateway: unknown; connectors: string[] }> {
  const how = ['--config', gateway.configFile, '-o', 'json'];
  const [status, info]: [Record<string, unknown>, { replicas: { software: string }[] }] = [
    JSON.parse((await installed('gateway', 'status', ...how)).stdout),
    JSON.parse((await installed('tunnel', 'info', 'web', ...how)).stdout),
  ];
  return {
    gateway: status['version'],
    connectors: info.replicas.map(
      ({ software }) => /\d+\.\d+\.\d+/.exec(software)?.[0] ?? software,
    ),
  };
}

/** What went wrong, each kind once. */
function failures(asked: readonly Asked[]): string[] {
  return [...new Set(asked.flatMap(({ failure }) => (failure === undefined ? [] : [failure])))];
}

/** The same requests, and the same streams, went on; each has been answered since. */
async function nothingDropped(): Promise<void> {
  const before = { asked: web.asked.length, received: exchanges.map(({ received }) => received) };
  await eventually(
    () =>
      web.asked.length > before.asked + 20 &&
      exchanges.every(({ received }, at) => received > (before.received[at] ?? 0) + 100_000),
    { deadlineMs: 40_000, what: 'traffic to go on' },
  );
  expect(failures(web.asked)).toEqual([]);
}

beforeAll(async () => {
  symlinkSync(join(REPOSITORY, 'node_modules'), join(prefix, 'node_modules'));
  await install(await pack(FIRST, [IMPATIENT]));
  gateway = await Gateway.create({ tcp: [RAW], config: { 'grace-period': GRACE } });
  gatewayProcess = startProcess(postern, ['gateway', 'run', '--config', gateway.configFile], {
    name: 'gateway',
    env: posternEnv(),
    graceMs: 15_000,
  });
  await whenReady(gatewayProcess, () => isReady(gateway.ports.metrics));
  const origin = await startHttpOrigin();
  const streams = await Exchanges.start();
  const ingress = [
    { hostname: WEB, service: origin.service },
    { hostname: RAW, service: streams.origin.service },
  ];
  const tunnel = await gateway.createTunnel('web', [WEB, RAW]);
  const config = { 'grace-period': GRACE };
  const connector = new Connector({ gateway, ingress, config }, tunnel, await freePort());
  connectorProcess = startProcess(postern, ['tunnel', 'run', '--config', connector.configFile], {
    name: 'connector',
    env: posternEnv({ POSTERN_TOKEN: tunnel.token }),
    graceMs: 15_000,
  });
  await whenReady(connectorProcess, () => isReady(connector.metricsPort));
  const ask = askHttp(gateway, WEB, '/status/200');
  // Steady, and no more: what is looked at is whether each is answered, not how many.
  const paced = async (user: number): Promise<string | undefined> => {
    await delay(PACE_MS);
    return ask(user);
  };
  web = new SteadyRequests({ users: 4, ask: paced });
  const forward = await startForward({ gateway, hostname: RAW });
  const plan = { up: Infinity, down: Infinity, paceMs: 10, chunkBytes: 4096 };
  // One that moves to the new gateway, and one of a user who has no client and stays with the old one.
  exchanges = [forward.port, gateway.tcpPort(RAW)].map((port) => streams.begin(port, plan));
  await nothingDropped();
}, 120_000);

describe('an upgrade', () => {
  it('starts from the version that was installed', async () => {
    expect(await versions()).toEqual({ gateway: FIRST, connectors: [FIRST] });
  });

  it('installs over what runs, which goes on as it was', async () => {
    await install(await pack(SECOND, [IMPATIENT]));
    expect((await installed('version')).stdout).toContain(SECOND);
    expect((await versions()).gateway).toBe(FIRST);
    await nothingDropped();
  }, 120_000);

  it('is complete with a reload of the gateway and of the connector, and nothing is dropped', async () => {
    expect(await reloadGateway()).toMatchObject({ code: 0 });
    expect((await versions()).gateway).toBe(SECOND);
    await nothingDropped();
    expect(await reloadConnector()).toMatchObject({ code: 0 });
    // The old one is there until its streams have ended.
    expect((await versions()).connectors).toContain(SECOND);
    await nothingDropped();
  }, 120_000);

  it('to a version that cannot start changes nothing, and says why', async () => {
    const change = (text: string): string => `import 'node:not-there.js';\n${text}`;
    const files = ['gateway/gateway.js', 'connector/replica.js'];
    await install(await pack(BROKEN, [IMPATIENT, ...files.map((file): Change => [file, change])]));
    const ended = [await reloadGateway(), await reloadConnector()];
    for (const { code, stderr } of ended) {
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/^postern: .*not-there\.js.*\([A-Z_]+\)$/m);
    }
    expect((await versions()).gateway).toBe(SECOND);
    expect((await versions()).connectors).toContain(SECOND);
    await nothingDropped();
  }, 120_000);

  it('to a version that never gets ready changes nothing, and says so', async () => {
    const wait = 'await new Promise((r) => void setInterval(r, 2 ** 30));';
    const change: Change = [
      'cli/gateway/gateway-process.js',
      (text) => text.replace(/static async start\([^)]*\) \{/, (start) => `${start} ${wait}`),
    ];
    await install(await pack(STUCK, [IMPATIENT, change]));
    const since = performance.now();
    const { code, stderr } = await reloadGateway();
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^postern: Cannot .*ready.*\(RELOAD_FAILED\)$/m);
    expect(performance.now() - since).toBeGreaterThan(READY_MS);
    expect((await versions()).gateway).toBe(SECOND);
    await nothingDropped();
  }, 120_000);

  it('has cost nobody a byte', async () => {
    for (const exchange of exchanges) exchange.finish();
    await Promise.all(exchanges.map(async ({ done }) => done));
    const asked = await web.stop();
    expect(asked.length).toBeGreaterThan(100);
    expect(failures(asked)).toEqual([]);
  }, 120_000);
});
