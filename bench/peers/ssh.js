/**
 * OpenSSH with remote forwarding: `ssh -N -R port:127.0.0.1:origin`, an own sshd, everything at its default, the cipher too.
 *
 * It is the tunnel everybody has, encrypted like ours, so it is the one that ratios are given to. Its default cipher is ChaCha20;
 * on a processor with AES instructions AES-GCM is faster, so that runs beside it where bulk is copied.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { missingTools, needTool } from '../harness/find-tool.js';

/** sshd refuses to start as root without this folder; systemd makes it where it runs sshd. */
const PRIVILEGE_SEPARATION_DIR = '/run/sshd';

export const ssh = {
  name: 'ssh',
  title: 'OpenSSH -R',
  carries: ['tcp'],
  isTunnel: true,
  unavailable,
  start: (lab, request) => start(lab, 'ssh', request, []),
};

export const sshAes = {
  name: 'ssh-aes',
  title: 'OpenSSH -R, aes128-gcm',
  carries: ['tcp'],
  onlyIn: ['bulk'],
  isTunnel: true,
  unavailable,
  start: (lab, request) => start(lab, 'ssh-aes', request, ['Ciphers=aes128-gcm@openssh.com']),
};

function unavailable() {
  return missingTools('ssh', 'sshd', 'ssh-keygen');
}

async function start(lab, name, { tcp = {}, via = async (port) => port }, moreOptions) {
  const dir = lab.path(name);
  await mkdir(dir, { mode: 0o755 });
  const { hostKey, userKey } = await makeKeys(lab, dir);
  const serverPort = await lab.port();
  const sshd = await startServer(lab, name, dir, serverPort, hostKey);

  const ports = {};
  const forwards = [];
  for (const [target, port] of Object.entries(tcp)) {
    ports[target] = await lab.port();
    forwards.push('-R', `127.0.0.1:${ports[target]}:127.0.0.1:${port}`);
  }
  const options = [
    'BatchMode=yes',
    'ExitOnForwardFailure=yes',
    'StrictHostKeyChecking=no',
    `UserKnownHostsFile=${dir}/known_hosts`,
    ...moreOptions,
  ].flatMap((option) => ['-o', option]);
  const login = [
    '-i',
    userKey,
    '-p',
    String(await via(serverPort)),
    `${userInfo().username}@127.0.0.1`,
  ];
  const args = ['-F', 'none', '-N', ...options, ...forwards, ...login];
  const client = await lab.start(name, await needTool('ssh'), args);
  for (const port of Object.values(ports)) await lab.listening(port, name, client);
  return { ports, roles: { sshd, ssh: client } };
}

async function makeKeys(lab, dir) {
  const keygen = await needTool('ssh-keygen');
  const [hostKey, userKey] = [`${dir}/host-key`, `${dir}/user-key`];
  for (const file of [hostKey, userKey])
    await lab.run('ssh-keygen', keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  await writeFile(`${dir}/authorized_keys`, await readFile(`${userKey}.pub`), { mode: 0o600 });
  return { hostKey, userKey };
}

async function startServer(lab, name, dir, port, hostKey) {
  if (process.getuid() === 0)
    await mkdir(PRIVILEGE_SEPARATION_DIR, { recursive: true, mode: 0o755 });
  const config = `
ListenAddress 127.0.0.1
Port ${port}
HostKey ${hostKey}
AuthorizedKeysFile ${dir}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
`;
  const file = `${dir}/sshd_config`;
  await writeFile(file, config);
  const sshd = await lab.start(`${name}-server`, await needTool('sshd'), ['-D', '-e', '-f', file]);
  await lab.listening(port, `${name}-server`, sshd);
  return sshd;
}
