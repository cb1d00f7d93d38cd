/** The watched files of a gateway, on real files, with a clock that the test moves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import type { WatchedConfig } from '../../../../src/cli/config-watch.ts';
import { watchGatewayConfig } from '../../../../src/cli/gateway/watch-gateway-config.ts';
import { loadGatewayConfig, type GatewayConfig } from '../../../../src/config/gateway-config.ts';
import { PosternError } from '../../../../src/core/error.ts';
import { ConfigState } from '../../../../src/telemetry/config-state.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { TestAuthority } from '../../../support/test-authority.ts';

let dir = '';
let file = '';
let clock: FakeClock;
let applied: GatewayConfig[];
let lines: { level: string; msg: string; reason?: string }[];
let state: ConfigState;
let certificates = 0;
let failure: Error | undefined;

beforeEach(async () => {
  dir = tempDir('watch');
  file = join(dir, 'gateway.yaml');
  clock = new FakeClock();
  applied = [];
  lines = [];
  state = new ConfigState();
  certificates = 0;
  failure = undefined;
  await issue(await TestAuthority.create());
  write({});
});

async function issue(authority: TestAuthority): Promise<void> {
  const { cert, key } = await authority.issue({ dns: ['a.test'] });
  writeFileSync(join(dir, 'cert.pem'), cert);
  writeFileSync(join(dir, 'key.pem'), key);
}

function write(changes: Readonly<Record<string, unknown>>): void {
  const config = {
    domain: 'a.test',
    listen: { https: '127.0.0.1:0' },
    tls: { cert: './cert.pem', key: './key.pem' },
    tcp: [{ listen: '127.0.0.1:0', hostname: 'ssh.a.test' }],
    ...changes,
  };
  writeFileSync(file, stringify(config, { keepUndefined: false }));
}

async function start(
  handOver?: () => Promise<void>,
  running?: GatewayConfig,
): Promise<WatchedConfig> {
  const load = async () => loadGatewayConfig(file, { env: {} });
  const log = createLog({
    component: 'test',
    format: 'json',
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const watch = watchGatewayConfig({
    config: running ?? (await load()),
    clock,
    log,
    state,
    load,
    prepare: async (config) => {
      if (failure !== undefined) throw failure;
      return { certificates, apply: () => void applied.push(config) };
    },
    handOver,
  });
  cleanup(() => watch.cancel());
  await looked();
  // What the first look found.
  applied = [];
  return watch;
}

async function looked(): Promise<void> {
  await eventually(() => clock.pending === 1, { what: 'the next look to be planned' });
}

/** Lets the watch find a change and read it. */
async function look(): Promise<void> {
  for (let count = 0; count < 2; count += 1) {
    clock.run(500);
    await looked();
  }
}

/** Lets time pass, and the watch look, until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  await eventually(() => {
    clock.run(100);
    return isSo();
  });
}

describe('watchGatewayConfig()', () => {
  it('puts in force what is live, and has the rest wait as it was', async () => {
    await start();
    write({
      'default-policy': 'public',
      'grace-period': '7s',
      'external-port': 443,
      tcp: [{ listen: '127.0.0.1:0', hostname: 'ssh.a.test', tls: 'terminate' }],
    });
    await look();
    expect(applied).toHaveLength(1);
    expect(applied[0]).toMatchObject({ defaultPolicy: 'public', gracePeriodMs: 7000 });
    expect(applied[0]?.externalPort).toBeUndefined();
    expect(lines).toMatchObject([
      { level: 'info', msg: 'the changed policies are in force' },
      { level: 'info', msg: 'the changed settings are in force', reason: 'changed: grace-period' },
      {
        level: 'warn',
        msg: 'reload the gateway to put the other changes in force',
        reason: 'changed: tcp, external-port',
      },
    ]);
    expect(state.status.waiting).toEqual(['tcp', 'external-port']);
  });

  it('names what waits once, and no longer when it was taken back', async () => {
    await start();
    write({ 'external-port': 443 });
    await look();
    write({ 'external-port': 443, 'grace-period': '7s' });
    await look();
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    write({ 'grace-period': '7s' });
    await look();
    expect(state.status.waiting).toEqual([]);
  });

  it('reads all again when a certificate changes, and says which is in force', async () => {
    await start();
    certificates = 1;
    await issue(await TestAuthority.create());
    await look();
    expect(applied).toHaveLength(1);
    expect(lines).toMatchObject([{ level: 'info', msg: 'the changed certificates are in force' }]);
  });

  it('refuses a certificate that is half replaced, once, and takes it when it is whole', async () => {
    await start();
    const { cert, key } = await (await TestAuthority.create()).issue({ dns: ['a.test'] });
    writeFileSync(join(dir, 'cert.pem'), cert);
    await look();
    await look();
    expect(applied).toHaveLength(0);
    expect(lines).toMatchObject([{ level: 'error', errCode: 'CONFIG_TLS' }]);
    expect(state.status.refused).toMatchObject({ code: 'CONFIG_TLS' });
    writeFileSync(join(dir, 'key.pem'), key);
    await look();
    expect(applied).toHaveLength(1);
    expect(state.status.refused).toBeUndefined();
  });

  it('changes nothing where a part of it cannot be put in force', async () => {
    await start();
    failure = new PosternError('CONFIG_UNREADABLE', 'Cannot read it');
    write({ 'default-policy': 'public' });
    await look();
    expect(applied).toHaveLength(0);
    expect(state.status.refused).toMatchObject({ code: 'CONFIG_UNREADABLE' });
    failure = undefined;
    for (let looks = 0; looks < 6; looks += 1) await look();
    expect(applied).toMatchObject([{ defaultPolicy: 'public' }]);
  });

  it('finds at the first look what has changed since it was read', async () => {
    const config = await loadGatewayConfig(file, { env: {} });
    write({ 'default-policy': 'public' });
    await start(undefined, config);
    expect(state.status.since).toBeDefined();
    expect(lines).toMatchObject([{ msg: 'the changed policies are in force' }]);
  });
});

describe('a change that needs a new process', () => {
  it('is taken by one as a whole, and by what this one still does once that has taken over', async () => {
    let handOvers = 0;
    const watch = await start(async () => {
      handOvers += 1;
      watch.follow();
    });
    write({ 'default-policy': 'public', 'external-port': 443 });
    await until(() => applied.length === 1);
    expect(handOvers).toBe(1);
    expect(applied[0]).toMatchObject({ defaultPolicy: 'public' });
    expect(applied[0]?.externalPort).toBeUndefined();
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
    write({ 'default-policy': 'deny', 'external-port': 444 });
    await until(() => applied.length === 2);
    await looked();
    // Taken back: nothing is handed over before the files change again.
    watch.lead();
    for (let looks = 0; looks < 20; looks += 1) await look();
    expect(handOvers).toBe(1);
    expect(state.status.waiting).toEqual(['external-port']);
    write({ 'external-port': 445 });
    await until(() => handOvers === 2);
  });

  it('waits for a command where the database would be another one', async () => {
    let handOvers = 0;
    await start(async () => void (handOvers += 1));
    write({ 'default-policy': 'public', 'external-port': 443, 'data-dir': './other' });
    for (let looks = 0; looks < 20; looks += 1) await look();
    expect(handOvers).toBe(0);
    expect(applied).toMatchObject([{ defaultPolicy: 'public' }]);
    expect(state.status.waiting).toEqual(['data-dir', 'external-port']);
  });
});
