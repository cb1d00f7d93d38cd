/** The watched configuration, on real files, with a clock that the test moves. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { watchConnectorConfig } from '../../../../src/cli/connector/watch-connector-config.ts';
import type { IngressRule } from '../../../../src/config/connector/ingress-rule.ts';
import { loadConnectorConfig } from '../../../../src/config/connector/connector-config.ts';
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
let applied: string[];
let lines: string[];
let state: ConfigState;
let trusted: (string | undefined)[];
let handOvers: number;
let failure: Error | undefined;

beforeEach(() => {
  dir = tempDir('watch');
  file = join(dir, 'config.yml');
  clock = new FakeClock();
  applied = [];
  lines = [];
  state = new ConfigState();
  trusted = [];
  handOvers = 0;
  failure = undefined;
});

function text(status: number, more = ''): string {
  return `gateway: https://gw\n${more}ingress:\n  - { service: "http_status:${status}" }\n`;
}

async function start(): Promise<void> {
  const load = async () => loadConnectorConfig(file, { env: {} });
  const log = createLog({
    component: 'test',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
  });
  const config = await load();
  const connector = {
    setRules: (rules: readonly IngressRule[]) =>
      void applied.push(...rules.map(({ service }) => JSON.stringify(service))),
    setTrust: (ca: string | undefined) => {
      trusted.push(ca);
      return trusted.at(-2) !== ca;
    },
  };
  const handOver = async (): Promise<void> => {
    handOvers += 1;
    if (failure !== undefined) throw failure;
  };
  const watch = watchConnectorConfig({ config, clock, log, load, state, connector, handOver });
  cleanup(() => watch?.cancel());
  await looked();
  trusted = [];
}

/** Resolves when the look under way has ended: the next one is planned. */
async function looked(): Promise<void> {
  await eventually(() => clock.pending === 1, { what: 'the next look to be planned' });
}

/** Lets the watch look at the file once. */
async function look(): Promise<void> {
  clock.run(500);
  await looked();
}

/** Lets time pass, and the watch look, until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  await eventually(() => {
    clock.run(100);
    return isSo();
  });
}

const STATUS = (status: number): string => JSON.stringify({ kind: 'http-status', status });

describe('watchConnectorConfig()', () => {
  it('puts changed rules in force at the second look that finds them', async () => {
    writeFileSync(file, text(404));
    await start();
    await look();
    await look();
    expect(applied).toEqual([]);
    writeFileSync(file, text(410));
    await look();
    expect(applied).toEqual([]);
    await look();
    expect(applied).toEqual([STATUS(410)]);
    await look();
    expect(applied).toEqual([STATUS(410)]);
  });

  it('follows an editor that writes beside and renames', async () => {
    writeFileSync(file, text(404));
    await start();
    writeFileSync(`${file}.new`, text(410));
    renameSync(`${file}.new`, file);
    await look();
    await look();
    expect(applied).toEqual([STATUS(410)]);
  });

  it('follows a link that is turned to another folder, as mounted configurations are', async () => {
    for (const [name, status] of [
      ['v1', 404],
      ['v2', 410],
    ] as const) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, 'config.yml'), text(status));
    }
    symlinkSync('v1', join(dir, 'now'));
    file = join(dir, 'now', 'config.yml');
    await start();
    symlinkSync('v2', join(dir, 'next'));
    renameSync(join(dir, 'next'), join(dir, 'now'));
    await look();
    await look();
    expect(applied).toEqual([STATUS(410)]);
  });

  it('keeps the old rules while the file is broken or gone, and says so once', async () => {
    writeFileSync(file, text(404));
    await start();
    writeFileSync(file, 'ingress: [');
    await look();
    await look();
    await look();
    expect(applied).toEqual([]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      errCode: 'CONFIG_SYNTAX',
      msg: 'the changed configuration is refused; the old one stays in force',
    });
    rmSync(file);
    await look();
    await look();
    expect(lines).toHaveLength(2);
    writeFileSync(file, text(410));
    await look();
    await look();
    expect(applied).toEqual([STATUS(410)]);
  });

  it('does nothing for a file that says the same', async () => {
    writeFileSync(file, text(404));
    await start();
    writeFileSync(file, `# A comment.\n${text(404)}`);
    await look();
    await look();
    expect(applied).toEqual([]);
    expect(lines).toEqual([]);
  });

  it('has a process take over for what this one cannot change, whole', async () => {
    writeFileSync(file, text(404));
    await start();
    writeFileSync(file, text(410, 'ha-connections: 2\n'));
    await until(() => handOvers === 1);
    expect(applied).toEqual([]);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      level: 'info',
      reason: 'changed: ha-connections',
      msg: 'a new process is to take over with the changed configuration',
    });
  });

  it('goes on with nothing of a change that no process could take over', async () => {
    writeFileSync(file, text(404));
    await start();
    failure = new PosternError('LINK_REFUSED', 'Cannot reach it');
    writeFileSync(file, text(410, 'ha-connections: 2\n'));
    await until(() => state.status.refused !== undefined);
    for (let looks = 0; looks < 20; looks += 1) await look();
    expect(handOvers).toBe(1);
    expect(applied).toEqual([]);
    expect(state.status).toMatchObject({
      refused: { code: 'LINK_REFUSED', message: 'Cannot reach it' },
      waiting: ['ha-connections'],
    });
    writeFileSync(file, text(410));
    await look();
    await look();
    expect(applied).toEqual([STATUS(410)]);
    expect(state.status).toMatchObject({ waiting: [] });
    expect(state.status.refused).toBeUndefined();
  });

  it('names what needs a command where the file says so', async () => {
    writeFileSync(file, text(404));
    await start();
    const more = 'config-watch: in-place\nha-connections: 2\nmetrics: 127.0.0.1:1\n';
    writeFileSync(file, text(410, more));
    await look();
    await look();
    expect(applied).toEqual([STATUS(410)]);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      level: 'warn',
      reason: 'changed: metrics, ha-connections',
      msg: 'reload the connector to put the other changes in force',
    });
    expect(state.status).toMatchObject({ waiting: ['metrics', 'ha-connections'] });
    writeFileSync(file, text(404));
    await look();
    await look();
    expect(state.status.waiting).toEqual([]);
  });

  it('trusts other authorities for gateways, and none of a broken file', async () => {
    const ca = join(dir, 'ca.pem');
    const [before, after] = [await TestAuthority.create(), await TestAuthority.create()];
    writeFileSync(ca, before.pem);
    writeFileSync(file, text(404, 'ca: ./ca.pem\n'));
    await start();
    writeFileSync(ca, after.pem);
    await look();
    await look();
    expect(trusted).toEqual([after.pem]);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      msg: 'the changed authorities are in force',
    });
    writeFileSync(ca, '-----BEGIN CERTIFICATE-----');
    await look();
    await look();
    expect(trusted).toEqual([after.pem]);
    expect(state.status.refused).toMatchObject({ code: 'CONFIG_TLS' });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'error', errCode: 'CONFIG_TLS' });
  });

  it('tries a refused file again: what it names may have come', async () => {
    writeFileSync(file, text(404));
    await start();
    writeFileSync(file, text(410, 'ca: ./late.pem\n'));
    await look();
    await look();
    expect(state.status.refused).toMatchObject({ code: 'CONFIG_UNREADABLE' });
    const said = lines.length;
    writeFileSync(join(dir, 'late.pem'), (await TestAuthority.create()).pem);
    for (let looks = 0; looks < 11; looks += 1) await look();
    expect(lines.length).toBeGreaterThan(said);
    expect(state.status.refused).toBeUndefined();
    expect(applied).toEqual([STATUS(410)]);
  });

  it('looks no more once it is cancelled', async () => {
    writeFileSync(file, text(404));
    const config = await loadConnectorConfig(file, { env: {} });
    const log = createLog({ component: 'test', level: 'silent' });
    const connector = { setRules: () => undefined, setTrust: () => false };
    const load = async () => config;
    const handOver = async (): Promise<void> => undefined;
    const watch = watchConnectorConfig({ config, clock, log, load, state, connector, handOver });
    await looked();
    watch?.cancel();
    expect(clock.pending).toBe(0);
  });
});
