/**
 * `postern access ssh` and plain ssh through a gateway to a real sshd that trusts its authority, and has no other key for
 * whoever asks.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { auditEvents } from '../support/audit-log.ts';
import { serviceTokenClient, signedInClient } from '../support/client-login.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess } from '../support/processes.ts';
import { freePort } from '../support/real/port.ts';
import { startSshd, type Sshd } from '../support/real/sshd.ts';
import { mustRun, posternCommand, posternEnv, run, type RunOptions } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTerminal } from '../support/terminal.ts';
import { toolPath, type ToolName } from '../support/tools.ts';

const HOST = 'ssh.postern.test';
/** A command of ours takes a second, and several on a busy machine. */
const SLOW = { deadlineMs: 20_000 };
/** Leads to the same sshd, and issues no certificates. */
const BARE_HOST = 'bare.postern.test';
/** Leads to whatever its users name, of which only the sshd is allowed. */
const BASTION = 'bastion.postern.test';
const ANN = {
  provider: 'local',
  subject: 'ann',
  email: 'ann@example.com',
  groups: ['staff'],
  methods: ['pwd'],
  claims: {},
};

let sshd: Sshd;
let gateway: Gateway;
/** What ann's client has in its environment. */
let env: Record<string, string>;

beforeAll(async () => {
  const trusted = join(tempDir('trusted'), 'authorities');
  writeFileSync(trusted, '');
  sshd = await startSshd({ config: [`TrustedUserCAKeys ${trusted}`] });
  const policies = [
    { action: 'allow', include: [{ group: 'staff' }] },
    { action: 'service-auth', include: [{ 'service-token': 'backup' }] },
  ];
  const issues = { principals: [sshd.user] };
  ({ gateway } = await startPostern({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'local', type: 'local' }],
      applications: [
        { name: 'shell', hostname: HOST, policies, ssh: issues },
        { name: 'bare', hostname: BARE_HOST, policies },
        { name: 'bastion', hostname: BASTION, policies, ssh: issues },
      ],
    },
    ingress: [
      { hostname: HOST, service: sshd.service },
      { hostname: BARE_HOST, service: sshd.service },
      {
        hostname: BASTION,
        service: 'bastion',
        originRequest: { ipRules: [{ prefix: '127.0.0.1/32', ports: [sshd.port], allow: true }] },
      },
    ],
  }));
  writeFileSync(trusted, (await gateway.cli('gateway', 'ssh-ca')).stdout);
  ({ env } = await signedInClient(gateway, ANN));
});

/** ssh's options for this sshd, without the key that it knows. */
function sshOptions(): string[] {
  const options = sshd.clientOptions();
  return options.filter((word, at) => word !== '-i' && options[at - 1] !== '-i');
}

function accessSsh(...words: readonly string[]): [string, string[]] {
  return posternCommand('access', 'ssh', ...words);
}

async function ssh(words: readonly string[], options: RunOptions = {}) {
  const [program, args] = accessSsh(HOST, ...sshOptions(), ...words);
  return run(program, args, { ...options, env: posternEnv({ ...env, ...options.env }) });
}

describe('access ssh', () => {
  it('runs a command with its input, both outputs and its exit status', async () => {
    const result = await ssh(['cat; echo to stderr >&2; exit 42'], { input: 'to stdout\n' });
    expect(result).toMatchObject({ code: 42, stdout: 'to stdout\n', stderr: 'to stderr\n' });
  });

  it('logs in with a certificate of the gateway, which is in both logs', async () => {
    await ssh(['true']);
    const [event] = (await auditEvents(gateway)).filter(({ type }) => type === 'ssh.certificate');
    expect(event).toMatchObject({
      actor: 'ann@example.com',
      hostname: HOST,
      detail: { principals: `${sshd.user},${sshd.user}@${HOST}` },
    });
    const serial = String(event?.detail?.['serial']);
    await eventually(() => expect(sshd.log()).toContain(`serial ${serial}`));
    expect(sshd.log()).toMatch(/Accepted publickey for .* ED25519-CERT .*ann@example\.com session/);
  });

  it('is interactive in a terminal, with its size and its exit status', async () => {
    const [program, args] = accessSsh(HOST, ...sshOptions(), '-tt', 'PS1= exec sh');
    const how = { env: posternEnv(env), columns: 101, rows: 37 };
    const terminal = startTerminal(program, args, how);
    terminal.type('tty; stty size\r');
    await terminal.shows(/\/dev\/pts\/\d+\s+37 101/);
    terminal.resize(90, 30);
    terminal.type('stty size; echo sum=$((40 + 2))\r');
    await terminal.shows(/30 90\s+sum=42/);
    terminal.type('echo run=$((1 + 0)); cat\r');
    await terminal.shows(/run=1/);
    terminal.type('\u0003'); // Ctrl-C ends what runs there, and not us
    await terminal.shows(/\^C/);
    terminal.type('echo still=$((1 + 1))\r');
    await terminal.shows(/still=2/);
    terminal.type('exit 7\r');
    expect(await terminal.exited).toMatchObject({ code: 7 });
  });

  it('forwards a local port', async () => {
    const port = await freePort();
    const forward = `${port}:127.0.0.1:${sshd.port}`;
    const [program, args] = accessSsh(HOST, ...sshOptions(), '-L', forward, 'echo up; exec cat');
    const client = startProcess(program, args, { env: posternEnv(env) });
    await client.waitForLine(/^up$/);
    const socket = connect(port, '127.0.0.1');
    socket.end('SSH-2.0-test\r\n');
    expect(await text(socket)).toMatch(/^SSH-2\.0-OpenSSH/);
  });

  it("forwards the user's agent with the user's keys, and not ours", async () => {
    const agentSocket = join(tempDir('agent'), 'socket');
    startProcess(toolPath('ssh-agent'), ['-D', '-a', agentSocket]);
    await eventually(() => expect(existsSync(agentSocket)).toBe(true));
    const agent = { SSH_AUTH_SOCK: agentSocket };
    await mustRun(toolPath('ssh-add'), ['-q', sshd.keyFile], { env: agent });
    // The options of the test server switch agents off; ssh takes the first value.
    const words = ['-o', 'IdentityAgent=SSH_AUTH_SOCK', ...sshOptions(), '-A', 'ssh-add -l'];
    const [program, args] = accessSsh(HOST, ...words);
    const result = await run(program, args, { env: posternEnv({ ...env, ...agent }) });
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/^256 SHA256:\S+ user \(ED25519\)\n$/);
  });

  it('works for a service token', async () => {
    const token = await serviceTokenClient(gateway, 'backup');
    const result = await eventually(async () => {
      const tried = await ssh(['echo in'], { env: token });
      expect(tried).toMatchObject({ code: 0, stdout: 'in\n' });
      return tried;
    }, SLOW);
    expect(result.stderr).toBe('');
    const actors = (await auditEvents(gateway)).map(({ actor }) => actor);
    expect(actors).toContain('service:backup');
  });

  it('goes without a certificate where the application issues none', async () => {
    const [program, args] = accessSsh(BARE_HOST, ...sshOptions(), 'true');
    expect(await run(program, args, { env: posternEnv(env) })).toMatchObject({ code: 255 });
    const own = accessSsh(BARE_HOST, ...sshd.clientOptions(), 'echo in');
    expect(await run(...own, { env: posternEnv(env) })).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  it('says so, and runs nothing, when the policies keep somebody out', async () => {
    const bob = await signedInClient(gateway, { ...ANN, subject: 'bob', groups: [] });
    const result = await ssh(['echo in'], { env: bob.env });
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/^postern: Cannot .*ssh\.postern\.test.* \(ACCESS_DENIED\)\n$/);
    await eventually(async () => {
      const denied = (await auditEvents(gateway)).find(({ type }) => type === 'access.deny');
      expect(denied).toMatchObject({ hostname: HOST });
    }, SLOW);
  });

  it('ends ssh when it is ended, and leaves no key behind', async () => {
    const runtime = tempDir('run');
    const [program, args] = accessSsh(HOST, ...sshOptions(), 'echo up; exec cat');
    const own = posternEnv({ ...env, XDG_RUNTIME_DIR: runtime });
    const client = startProcess(program, args, { env: own });
    await client.waitForLine(/^up$/);
    expect(readdirSync(runtime)).toHaveLength(1);
    client.kill('SIGTERM');
    expect(await client.exited).toMatchObject({ code: 255 });
    expect(readdirSync(runtime)).toEqual([]);
  });

  it('L10 takes no option for a host', async () => {
    const dir = tempDir('pwned');
    const [program, args] = accessSsh(`-oProxyCommand=touch ${dir}/pwned`, 'id');
    const result = await run(program, args, { env: posternEnv(env) });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('access ssh through a bastion', () => {
  function reach(destination: string, ...words: readonly string[]) {
    const [program, args] = accessSsh(BASTION, '--destination', destination, ...words);
    return run(program, args, { env: posternEnv(env) });
  }

  it('reaches the destination, with its host key and a certificate of the bastion', async () => {
    const known = join(tempDir('known'), 'hosts');
    // ssh takes the first value that it sees.
    const own = ['-o', `UserKnownHostsFile=${known}`, '-o', 'StrictHostKeyChecking=accept-new'];
    const options = sshOptions().map((word) =>
      /^(HostKeyAlias|Port)=/.test(word) ? 'ForwardX11=no' : word,
    );
    const destination = `localhost:${sshd.port}`;
    const result = await reach(destination, ...own, ...options, 'echo in; exit 5');
    expect(result).toMatchObject({ code: 5, stdout: 'in\n', stderr: '' });
    expect(readFileSync(known, 'utf8')).toContain(`[localhost]:${sshd.port} ssh-ed25519 `);
    await eventually(async () => {
      const events = (await auditEvents(gateway)).filter(({ hostname }) => hostname === BASTION);
      const told = events.map(({ type, detail }) => [
        type,
        detail?.[type === 'tcp.start' ? 'destination' : 'principals'],
      ]);
      expect(told).toContainEqual(['ssh.certificate', `${sshd.user},${sshd.user}@${BASTION}`]);
      expect(told).toContainEqual(['tcp.start', destination]);
    }, SLOW);
  }, 30_000);

  it('ends as ssh does where the connector refuses, and runs nothing for what is no destination', async () => {
    const [forbidden, bad] = await Promise.all([
      reach('127.0.0.1:1', ...sshOptions(), 'true'),
      reach('db.internal', ...sshOptions(), 'true'),
    ]);
    expect(forbidden).toMatchObject({ code: 255, stdout: '' });
    expect(forbidden.stderr).toContain('ORIGIN_FORBIDDEN');
    expect(bad).toMatchObject({ code: 2, stdout: '' });
    expect(bad.stderr).toMatch(/^postern: Cannot use --destination: .*"db\.internal".*CLI_USAGE/);
  }, 30_000);

  it('is where plain ssh goes after ssh-config, to hosts by the names they are called with', async () => {
    const behind = ['--hostname', BASTION, '--destination', 'localhost'];
    const [program, args] = posternCommand('access', 'ssh-config', ...behind);
    const config = join(tempDir('ssh'), 'config');
    writeFileSync(config, (await mustRun(program, args, { env: posternEnv(env) })).stdout);
    const words = ['-F', config, ...sshOptions().slice(2), 'localhost', 'echo in; exit 6'];
    const result = await run(toolPath('ssh'), words, { env: posternEnv(env) });
    expect(result).toMatchObject({ code: 6, stdout: 'in\n', stderr: '' });
  }, 30_000);

  it('ssh-config writes nothing where it is unclear behind which', async () => {
    const behind = [[], ['--hostname', BASTION, '--hostname', HOST], ['--hostname', '*.test']];
    const results = await Promise.all(
      behind.map((hostname) =>
        run(...posternCommand('access', 'ssh-config', ...hostname, '--destination', '*.internal')),
      ),
    );
    expect(results.map(({ code, stdout }) => [code, stdout])).toEqual([
      [2, ''],
      [2, ''],
      [2, ''],
    ]);
  }, 30_000);
});

describe('plain ssh, after ssh-config', () => {
  let config: string;

  beforeAll(async () => {
    config = join(tempDir('ssh'), 'config');
    const words = ['ssh-config', '--hostname', '*.postern.test', '--write', '--file', config];
    const [program, args] = posternCommand('access', ...words);
    for (const said of ['Wrote the block to', 'The block is already in']) {
      const { stdout } = await mustRun(program, args, { env: posternEnv(env) });
      expect(stdout).toContain(said);
    }
  });

  /** Options of the test server behind those of the block, without `-F none`. */
  function options(): string[] {
    return ['-F', config, ...sshOptions().slice(2)];
  }

  function plain(tool: ToolName, args: readonly string[], how: RunOptions = {}) {
    return run(toolPath(tool), args, { ...how, env: posternEnv(env) });
  }

  it('runs commands', async () => {
    const result = await plain('ssh', [...options(), HOST, 'cat; exit 3'], { input: 'through' });
    expect(result).toMatchObject({ code: 3, stdout: 'through', stderr: '' });
  });

  it('uses a certificate until it is about to end', async () => {
    const file = join(env['POSTERN_HOME'] ?? '', 'ssh', `${HOST}-cert.pub`);
    const before = readFileSync(file, 'utf8');
    expect(await plain('ssh', [...options(), HOST, 'true'])).toMatchObject({ code: 0 });
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('copies files with scp, both ways', async () => {
    const dir = tempDir('scp');
    const [from, there, back] = ['from', 'there', 'back'].map((name) => join(dir, name));
    writeFileSync(from ?? '', Buffer.alloc(3_000_000, 'scp '));
    const scp = [...options(), '-q'];
    expect(await plain('scp', [...scp, from ?? '', `${HOST}:${there}`])).toMatchObject({ code: 0 });
    expect(await plain('scp', [...scp, `${HOST}:${there}`, back ?? ''])).toMatchObject({ code: 0 });
    expect(readFileSync(back ?? '').equals(readFileSync(from ?? ''))).toBe(true);
  });

  it('copies a tree with rsync', async () => {
    const dir = tempDir('rsync');
    mkdirSync(join(dir, 'from'));
    writeFileSync(join(dir, 'from', 'file'), 'rsync');
    const shell = [toolPath('ssh'), ...options()].join(' ');
    const args = ['-a', '-e', shell, `${dir}/from/`, `${HOST}:${dir}/to/`];
    expect(await plain('rsync', args)).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, 'to', 'file'), 'utf8')).toBe('rsync');
  });

  it('runs ten at a time with one key', async () => {
    // Each starts two processes of ours; on a busy machine that is more than the 20 seconds of the other tests.
    const patient = ['-o', 'ConnectTimeout=90', ...options()];
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        plain('ssh', [...patient, HOST, `exit ${i}`], { deadlineMs: 100_000 }),
      ),
    );
    const ends = results.map(({ code, stderr }) => `${code} ${stderr}`);
    expect(ends).toEqual(Array.from({ length: 10 }, (_, i) => `${i} `));
  }, 120_000);
});
