/**
 * OpenSSH's sshd on a port of its own, with generated keys, for the user who runs the tests.
 *
 * No password, no PAM, no file of the user's home: its configuration and the client's are in a temporary directory. The
 * host key is known to clients under a fixed alias, so the same options reach it through any other port.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

import { startProcess } from '../processes.ts';
import { mustRun, run, type RunOptions, type RunResult } from '../run.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { freePort } from './port.ts';
import { whenReady } from './ready.ts';

export interface SshdOptions {
  /** Lines put before the generated configuration: for each keyword sshd takes the first value it sees. */
  readonly config?: readonly string[];
}

export interface Sshd {
  readonly port: number;
  /** The service as an ingress rule names it: `ssh://127.0.0.1:<port>`. */
  readonly service: string;
  /** Who can log in: the user of this process. */
  readonly user: string;
  /** The private key that may log in. */
  readonly keyFile: string;
  /** What the clients' `UserKnownHostsFile` holds. */
  readonly knownHostsFile: string;
  /** All options that ssh, scp and sftp need, for sshd's own port or another one that leads to it. */
  readonly clientOptions: (port?: number) => string[];
  /** Runs a command there through `port` (default: sshd's own) and reports its exit status. */
  readonly ssh: (
    command: string,
    options?: RunOptions & { readonly port?: number },
  ) => Promise<RunResult>;
  /** Everything sshd logged so far. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

/** The name under which clients know the host key, whatever address they dial. */
const HOST_ALIAS = 'postern-test-sshd';

/** Starts sshd on 127.0.0.1 and logs in once, so that it is known to work. The clean-up stops it. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  requireTools('sshd', 'ssh', 'scp', 'sftp', 'ssh-keygen');
  const dir = tempDir('sshd');
  const port = await freePort();
  const [hostKey, userKey] = await Promise.all([makeKey(dir, 'host'), makeKey(dir, 'user')]);
  writeFileSync(join(dir, 'authorized_keys'), readFileSync(`${userKey}.pub`));
  writeFileSync(
    join(dir, 'known_hosts'),
    `${HOST_ALIAS} ${readFileSync(`${hostKey}.pub`, 'utf8')}`,
  );
  mkdirSync(join(dir, 'home'), { mode: 0o700 });
  const configFile = join(dir, 'sshd_config');
  writeFileSync(configFile, sshdConfig(dir, port, hostKey, options.config ?? []));
  // Debian makes it when the service starts; the server refuses to run as root without it.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });

  const server = startProcess(toolPath('sshd'), ['-D', '-e', '-f', configFile], { name: 'sshd' });
  const { username: user } = userInfo();
  const knownHostsFile = join(dir, 'known_hosts');
  const clientOptions = (through = port): string[] =>
    sshOptions({ through, user, userKey, knownHostsFile });
  const ssh: Sshd['ssh'] = (command, { port: through, ...how } = {}) =>
    run(toolPath('ssh'), [...clientOptions(through), '127.0.0.1', command], how);
  await whenReady(server, async () => {
    const { code, stderr } = await ssh('true');
    if (code !== 0) throw new Error(`ssh ended with ${String(code)}: ${stderr}`);
  });
  return {
    port,
    service: `ssh://127.0.0.1:${port}`,
    user,
    keyFile: userKey,
    knownHostsFile,
    clientOptions,
    ssh,
    log: () => server.stderr,
    stop: async () => void (await server.stop()),
  };
}

async function makeKey(dir: string, name: string): Promise<string> {
  const file = join(dir, `${name}_key`);
  await mustRun(toolPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  return file;
}

function sshdConfig(dir: string, port: number, hostKey: string, own: readonly string[]): string {
  return [
    ...own,
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    'PidFile none',
    'UsePAM no',
    'UseDNS no',
    'StrictModes no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitUserEnvironment no',
    // What the user's own shell start-up files do (and print) is not of the tests.
    `SetEnv HOME=${join(dir, 'home')}`,
    'PrintMotd no',
    'PrintLastLog no',
    'AllowTcpForwarding yes',
    'AllowAgentForwarding yes',
    // The defaults drop the eleventh of many logins at once at random.
    'MaxStartups 500',
    'MaxSessions 500',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');
}

/** `-o` only, since `-p` of ssh is `-P` of scp. */
function sshOptions(how: {
  readonly through: number;
  readonly user: string;
  readonly userKey: string;
  readonly knownHostsFile: string;
}): string[] {
  const options = [
    `Port=${how.through}`,
    `User=${how.user}`,
    `UserKnownHostsFile=${how.knownHostsFile}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    `HostKeyAlias=${HOST_ALIAS}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'BatchMode=yes',
    'ConnectTimeout=90',
    'LogLevel=ERROR',
  ];
  return ['-F', 'none', '-i', how.userKey, ...options.flatMap((option) => ['-o', option])];
}
