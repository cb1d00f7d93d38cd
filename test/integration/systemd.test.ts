/**
 * Services on a machine whose process 1 is a real systemd: installed, handed over, hung, killed, stopped, uninstalled, with a
 * live ssh session in between. The units are those of service-files/, hardening and all.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../support/eventually.ts';
import type { TestProcess } from '../support/processes.ts';
import { startDebianMachine, type DebianMachine } from '../support/real/debian-machine.ts';
import { say } from '../support/say.ts';

const GATEWAY = 'postern-gateway.service';
const SOCKET = 'postern-gateway.socket';
const CONNECTOR = 'postern-connector@shell.service';
const WEB = 'web.postern.test';
const SSH = 'ssh.postern.test';
const TOKENS = '/etc/postern/tokens';
const UNITS = resolve(import.meta.dirname, '../../service-files');

/** Sends so many requests at once, each on a connection of its own, and prints how each ended. */
const ASK = `
const { request } = require('node:https');
const ask = () => new Promise((done) => {
  const options = { host: '127.0.0.1', servername: '${WEB}', headers: { host: '${WEB}' } };
  const asked = request({ ...options, agent: false, rejectUnauthorized: false }, (answer) => {
    answer.resume().on('end', () => done(answer.statusCode));
  });
  asked.on('error', (error) => done(error.code)).end();
});
process.stdin.once('data', async (count) => {
  console.log('asking');
  const ended = await Promise.all(Array.from({ length: Number(count) }, ask));
  console.log('ended ' + JSON.stringify(ended));
  process.exit();
});
console.log('waiting');
`;

let machine: DebianMachine;

function gatewayConfig(grace: string, sshPorts: readonly number[] = [2222]): string {
  return JSON.stringify({
    domain: 'postern.test',
    'data-dir': '/var/lib/postern',
    listen: { https: ':443', http: '127.0.0.1:80', metrics: '127.0.0.1:9180' },
    tcp: sshPorts.map((port) => ({ listen: `127.0.0.1:${port}`, hostname: SSH })),
    'grace-period': grace,
    'default-policy': 'public',
  });
}

function connectorConfig(links: number): string {
  return JSON.stringify({
    gateway: 'https://127.0.0.1',
    ca: '/etc/postern/ca.pem',
    metrics: '127.0.0.1:9181',
    'ha-connections': links,
    // Longer than the session stays with the process from before a reload.
    'grace-period': '3m',
    ingress: [
      { hostname: WEB, service: 'http_status:204' },
      { hostname: SSH, service: 'ssh://127.0.0.1:22' },
      { service: 'http_status:404' },
    ],
  });
}

async function postern(...args: readonly string[]): Promise<string> {
  return machine.must(...machine.postern(...args), { deadlineMs: 60_000 });
}

async function systemctl(...args: readonly string[]): Promise<string> {
  return machine.must('systemctl', args, { deadlineMs: 60_000 });
}

/** A property of a unit. */
async function show(unit: string, property: string): Promise<string> {
  return (await systemctl('show', '--value', '--property', property, unit)).trim();
}

async function mainPid(unit: string): Promise<number> {
  return Number(await show(unit, 'MainPID'));
}

async function workers(): Promise<{ pid: number; state: string; generation: number }[]> {
  const status: { workers: { pid: number; state: string; generation: number }[] } = JSON.parse(
    await postern('gateway', 'status', '-o', 'json'),
  );
  return status.workers;
}

async function activeWorker(): Promise<{ pid: number; generation: number }> {
  const active = (await workers()).find(({ state }) => state === 'active');
  if (active === undefined) throw new Error('no worker is active');
  return active;
}

/** How requests end that are sent when `meanwhile` is done. */
async function ask(count: number, meanwhile?: () => Promise<unknown>): Promise<unknown[]> {
  const asking = machine.start('/usr/bin/node', ['-e', ASK], { name: 'ask' });
  await asking.waitForLine(/^waiting$/);
  await meanwhile?.();
  asking.stdin.write(`${count}\n`);
  const [, ended = ''] = await asking.waitForLine(/^ended (.*)$/, 30_000);
  const result: unknown[] = JSON.parse(ended);
  return result;
}

/** ssh into the machine, as its own user root; `through` is the proxy command, or a port. */
function ssh(through: string | number, command: string): TestProcess {
  const way =
    typeof through === 'number' ? ['-p', String(through)] : ['-o', `ProxyCommand=${through}`];
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
  const words = [...options.flatMap((option) => ['-o', option]), ...way, 'root@127.0.0.1', command];
  return machine.start('ssh', words, { name: 'ssh' });
}

const PROXY = `/usr/bin/node /opt/postern/bin/postern.js access tcp --hostname ${SSH} --gateway https://127.0.0.1 --ca /etc/postern/ca.pem`;

/** A session that counts and echoes, through `access tcp`. */
class LiveSession {
  readonly process = ssh(
    PROXY,
    'i=0; while :; do echo "n=$i"; i=$((i+1)); sleep 0.05; done & cat; kill $!',
  );
  #typed = 0;

  get count(): number {
    const numbers = [...this.process.stdout.matchAll(/^n=(\d+)$/gm)].map(([, digits]) =>
      Number(digits),
    );
    expect(numbers).toEqual(numbers.map((_, index) => index));
    return numbers.length;
  }

  /** Both directions carry on. */
  async goesOn(): Promise<void> {
    const from = this.count;
    this.#typed += 1;
    this.process.stdin.write(`typed ${this.#typed}\n`);
    await this.process.waitForLine(new RegExp(`^typed ${this.#typed}$`), 30_000);
    await eventually(() => this.count > from + 5, { deadlineMs: 30_000, what: 'the counter' });
  }

  async ends(): Promise<void> {
    this.process.stdin.end();
    expect(await this.process.exited).toMatchObject({ code: 0 });
  }
}

beforeAll(async () => {
  machine = await startDebianMachine();
  await machine.write('/etc/postern/gateway.yaml', gatewayConfig('20s'));
  await machine.write('/etc/postern/shell.yml', connectorConfig(4));
  const key = 'mkdir -p /root/.ssh && ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519';
  await machine.must('sh', [
    '-c',
    `${key} && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys`,
  ]);
  // Shown when a test fails.
  const units = [GATEWAY, CONNECTOR].flatMap((unit) => ['-u', unit]);
  machine.start('journalctl', ['-f', '-o', 'short-precise', '-q', ...units], { name: 'journal' });
  // As an administrator would: half a minute is long for a test.
  const drop = '[Service]\nWatchdogSec=6s\nTimeoutAbortSec=1s\n';
  await machine.write(`/etc/systemd/system/${CONNECTOR}.d/watch.conf`, drop);
}, 600_000);

describe('the units in service-files/', () => {
  it('are what systemd understands, and let a program do little', async () => {
    const names = readdirSync(UNITS).filter((name) => /\.(?:service|socket)$/.test(name));
    expect(names).toHaveLength(4);
    const files = names.map((name) => join('/opt/postern/service-files', name));
    // A template is checked as one of its units.
    const units = files.map((file) => file.replace('@.', '@web.'));
    await machine.must('sh', [
      '-c',
      'mkdir /tmp/units && cp /opt/postern/service-files/* /tmp/units && cd /tmp/units && mv postern-connector@.service postern-connector@web.service && sed -i "s,/usr/lib/node_modules/postern,/opt/postern," *',
    ]);
    const copies = units.map((file) => file.replace('/opt/postern/service-files', '/tmp/units'));
    const { code, stdout, stderr } = await machine.run('systemd-analyze', ['verify', ...copies]);
    expect({ code, said: stdout + stderr }).toEqual({ code: 0, said: '' });
  });
});

describe('postern service', () => {
  it('says what is wrong before it changes anything', async () => {
    const none = await machine.run(...machine.postern('service', 'install', 'connector'));
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('config.yml') });
    const words = ['--reuid', '1000', '--clear-groups', '--'];
    const [node, args] = machine.postern('service', 'install', 'gateway');
    const other = await machine.run('setpriv', [...words, node, ...args]);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('only root may') });
    expect(await machine.must('ls', ['/etc/systemd/system'])).not.toContain('postern-gateway');
  });

  it('prints what it would write, and writes nothing', async () => {
    const printed = await postern('service', 'install', 'gateway', '--print');
    expect(printed).toContain('ListenStream=443\nListenStream=127.0.0.1:80\n');
    expect(await machine.must('ls', ['/etc/systemd/system'])).not.toContain('postern-gateway');
  });

  it('installs the gateway: when it is done, the gateway is ready', async () => {
    const said = await postern('service', 'install', 'gateway');
    expect(said).toContain(`Started ${GATEWAY}`);
    expect(said).toContain(`systemctl reload ${GATEWAY}`);
    const ready = "fetch('http://127.0.0.1:9180/ready').then((r) => console.log(r.status))";
    expect((await machine.must('/usr/bin/node', ['-e', ready])).trim()).toBe('200');
    expect(await show(GATEWAY, 'ActiveState')).toBe('active');
    expect(await show(GATEWAY, 'StatusText')).toMatch(/generation 1/);
    expect(await systemctl('is-enabled', GATEWAY, SOCKET)).toBe('enabled\nenabled\n');
    const user = await machine.must('ps', ['-o', 'user=', '-p', String(await mainPid(GATEWAY))]);
    expect(user.trim()).toBe('postern');
  }, 120_000);

  it('installs a connector with a token from stdin, in a file for root alone', async () => {
    await machine.must('cp', ['/var/lib/postern/ca.pem', '/etc/postern/ca.pem']);
    const token = await postern('tunnel', 'create', 'shell', '-o', 'json');
    for (const name of [WEB, SSH]) await postern('tunnel', 'route', 'add', 'shell', name);
    const words = machine.postern('service', 'install', 'connector', 'shell', '--token-file', '-');
    const said = await machine.must(...words, { input: token, deadlineMs: 60_000 });
    expect(said).toContain(`Started ${CONNECTOR}`);
    const listed = await machine.must('stat', ['-c', '%a %U', TOKENS, `${TOKENS}/shell.token`]);
    expect(listed).toBe('700 root\n600 root\n');
    const secret = String(Reflect.get(JSON.parse(token), 'token'));
    const seen = await machine.must('sh', [
      '-c',
      `systemctl show ${CONNECTOR}; systemctl cat ${CONNECTOR}; journalctl -u ${CONNECTOR}; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ`,
    ]);
    expect(seen).not.toContain(secret);
    // Ready means registered.
    expect(await ask(3)).toEqual([204, 204, 204]);
  }, 120_000);

  it('changes nothing the second time', async () => {
    const before = await mainPid(GATEWAY);
    expect(await postern('service', 'install', 'gateway')).toContain('Nothing to do');
    expect(await postern('service', 'install', 'connector', 'shell')).toContain('Nothing to do');
    expect(await mainPid(GATEWAY)).toBe(before);
  });

  it('takes over a changed configuration', async () => {
    expect(await show(GATEWAY, 'TimeoutStopUSec')).toBe('50s');
    await machine.write('/etc/postern/gateway.yaml', gatewayConfig('25s'));
    expect(await postern('service', 'install', 'gateway')).toContain(`Wrote `);
    expect(await show(GATEWAY, 'TimeoutStopUSec')).toBe('55s');
  });

  it('says why a service does not start', async () => {
    // Where the gateway answers operators.
    const config = { gateway: 'https://127.0.0.1', metrics: '127.0.0.1:9180' };
    const rules = { ...config, ingress: [{ service: 'http_status:404' }] };
    await machine.write('/etc/postern/bad.yml', JSON.stringify(rules));
    const token = `${TOKENS}/shell.token`;
    const words = ['service', 'install', 'connector', 'bad', '--token-file', token];
    const { code, stderr } = await machine.run(...machine.postern(...words));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^postern: Cannot start postern-connector@bad.*CONFIG_PORT_IN_USE/);
    expect(await postern('service', 'uninstall', 'connector', 'bad')).toContain('Removed');
  });
});

describe('a service under systemd', () => {
  let session: LiveSession;

  beforeAll(async () => {
    session = new LiveSession();
    await session.goesOn();
  });

  it.each([GATEWAY, CONNECTOR])('%s is exposed to little', async (unit) => {
    const words = ['security', '--no-pager', unit];
    const said = await machine.must('systemd-analyze', words);
    const exposure = Number(/exposure level for .*: ([\d.]+)/.exec(said)?.[1]);
    say(`systemd-analyze security ${unit}: ${exposure}`);
    expect(exposure).toBeLessThan(2);
  });

  it('is the same gateway after a reload, with a new worker, and the session goes on', async () => {
    const [pid, { generation }] = [await mainPid(GATEWAY), await activeWorker()];
    await systemctl('reload', GATEWAY);
    expect(await mainPid(GATEWAY)).toBe(pid);
    expect((await activeWorker()).generation).toBe(generation + 1);
    await session.goesOn();
    expect(await ask(3)).toEqual([204, 204, 204]);
  }, 120_000);

  it('does not reload to a configuration that cannot be, and goes on', async () => {
    const { generation } = await activeWorker();
    await machine.write('/etc/postern/gateway.yaml', '{ domain: 1');
    const { code } = await machine.run('systemctl', ['reload', GATEWAY], { deadlineMs: 60_000 });
    expect(code).not.toBe(0);
    await machine.write('/etc/postern/gateway.yaml', gatewayConfig('25s'));
    expect((await activeWorker()).generation).toBe(generation);
    expect(await show(GATEWAY, 'ActiveState')).toBe('active');
    await session.goesOn();
  }, 120_000);

  it('has a new main process after a reload of the connector, while the session stays with the old', async () => {
    const pid = await mainPid(CONNECTOR);
    await systemctl('reload', CONNECTOR);
    const successor = await mainPid(CONNECTOR);
    expect(successor).not.toBe(pid);
    expect(await show(CONNECTOR, 'ActiveState')).toBe('active');
    await session.goesOn();
    await machine.must('kill', ['-0', String(pid)]);
    expect(await ask(3)).toEqual([204, 204, 204]);
  }, 120_000);

  it('has a new main process by itself when its file asks for fewer links, and the session goes on', async () => {
    const pid = await mainPid(CONNECTOR);
    await machine.write('/etc/postern/shell.yml', connectorConfig(2));
    await eventually(async () => ![0, pid].includes(await mainPid(CONNECTOR)), {
      deadlineMs: 60_000,
      everyMs: 200,
      what: 'another main process',
    });
    expect(await show(CONNECTOR, 'ActiveState')).toBe('active');
    expect(await show(CONNECTOR, 'NRestarts')).toBe('0');
    await session.goesOn();
    expect(await ask(3)).toEqual([204, 204, 204]);
  }, 120_000);

  it('listens on another port by itself when its file names one, as the same gateway', async () => {
    const [pid, { generation }] = [await mainPid(GATEWAY), await activeWorker()];
    await machine.write('/etc/postern/gateway.yaml', gatewayConfig('25s', [2222, 2223]));
    await eventually(async () => (await activeWorker()).generation === generation + 1, {
      deadlineMs: 60_000,
      everyMs: 200,
      what: 'another worker',
    });
    expect(await mainPid(GATEWAY)).toBe(pid);
    const there = ssh(2223, 'echo hello');
    expect(await there.exited).toMatchObject({ code: 0 });
    expect(there.stdout).toBe('hello\n');
    await session.goesOn();
  }, 120_000);

  it('replaces a worker that hangs, and the session goes on', async () => {
    const { pid } = await activeWorker();
    const since = performance.now();
    await machine.must('kill', ['-STOP', String(pid)]);
    await eventually(async () => (await activeWorker()).pid !== pid, {
      deadlineMs: 30_000,
      what: 'another worker',
    });
    say(`a hung worker was replaced after ${Math.round(performance.now() - since)} ms`);
    await session.goesOn();
    expect(await show(GATEWAY, 'NRestarts')).toBe('0');
  }, 120_000);

  it('loses no connection that waits while the supervisor is killed', async () => {
    const pid = await mainPid(GATEWAY);
    const ended = await ask(50, async () => machine.must('kill', ['-KILL', String(pid)]));
    expect(ended).toEqual(Array.from({ length: 50 }, () => 204));
    expect(await mainPid(GATEWAY)).not.toBe(pid);
    expect(await show(GATEWAY, 'NRestarts')).toBe('1');
    await session.goesOn();
    await session.ends();
  }, 120_000);

  it('is restarted by the watchdog when its loop stands still', async () => {
    const pid = await mainPid(CONNECTOR);
    await machine.must('kill', ['-STOP', String(pid)]);
    await eventually(async () => ![0, pid].includes(await mainPid(CONNECTOR)), {
      deadlineMs: 40_000,
      everyMs: 200,
      what: 'another connector',
    });
    const log = await machine.must('journalctl', ['-u', CONNECTOR, '-o', 'cat']);
    expect(log).toMatch(/Watchdog timeout/);
    await eventually(async () => (await show(CONNECTOR, 'ActiveState')) === 'active', {
      deadlineMs: 20_000,
    });
    expect(await ask(3)).toEqual([204, 204, 204]);
  });
});

describe('a stop', () => {
  it.each([
    ['connector', [CONNECTOR]],
    ['gateway', [SOCKET, GATEWAY]],
  ])('of the %s lets what is open end first', async (_, units) => {
    const session = ssh(2222, 'echo begun; sleep 6; echo done');
    await session.waitForLine(/^begun$/);
    // It stays with the process from before, which ends with the service, too.
    await systemctl('reload', units.at(-1) ?? '');
    await systemctl('stop', ...units);
    expect(session.stdout).toBe('begun\ndone\n');
    expect(await session.exited).toMatchObject({ code: 0 });
    for (const unit of units) expect(await show(unit, 'ActiveState')).toBe('inactive');
    await systemctl('start', ...units);
  });
});

describe('a restart', () => {
  it('of the gateway refuses nobody', async () => {
    const pid = await mainPid(GATEWAY);
    let restarted: Promise<unknown> = Promise.resolve();
    const ended = await ask(20, async () => {
      restarted = systemctl('restart', GATEWAY);
      await eventually(async () => (await show(GATEWAY, 'ActiveState')) !== 'active', {
        deadlineMs: 30_000,
      });
    });
    expect(ended).toEqual(Array.from({ length: 20 }, () => 204));
    await restarted;
    expect(await mainPid(GATEWAY)).not.toBe(pid);
  }, 120_000);
});

describe('postern service uninstall', () => {
  it('leaves configuration and data, and nothing else', async () => {
    const gateway = await postern('service', 'uninstall', 'gateway');
    expect(gateway).toContain(`Removed /etc/systemd/system/${SOCKET}`);
    const connector = await postern('service', 'uninstall', 'connector', 'shell');
    expect(connector).toContain(`Removed ${TOKENS}/shell.token`);
    const look = [
      'find / -xdev -iname "*postern*"',
      'find /run -name "*postern*"',
      'ls /etc/postern',
      'ps -eo args | grep "/opt/[p]ostern"',
      'systemctl list-units --all --no-legend "postern*"',
      'systemctl list-unit-files --no-legend "postern*"',
      'true',
    ];
    const left = await machine.must('sh', ['-c', look.join('; ')]);
    const isExpected = (line: string): boolean =>
      /^(?:\/etc\/postern|\/opt\/postern|\/var\/lib\/postern(?:\/.*)?|(?:gateway|shell|bad)\.ya?ml|ca\.pem)$/.test(
        line,
      ) ||
      // What the administrator put there.
      line === `/etc/systemd/system/${CONNECTOR}.d` ||
      line === '/tmp/units' ||
      line.startsWith('/tmp/units/');
    expect(left.split('\n').filter((line) => line !== '' && !isExpected(line))).toEqual([]);
    expect(await postern('service', 'uninstall', 'gateway')).toContain('Nothing to do');
  }, 120_000);
});
