import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where Debian puts a tool, by the tool's name. */
const PACKAGES = {
  h2load: 'nghttp2-client',
  haproxy: 'haproxy',
  nginx: 'nginx',
  openssl: 'openssl',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  wrk: 'wrk',
};

/** The full path of a tool, or undefined. The system's sbin folders are searched too: users seldom have them in PATH. */
async function findTool(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not here; look in the next one.
    }
  }
  return undefined;
}

/** The full path of a tool; rejects with the Debian package that brings it. */
export async function needTool(name) {
  const path = await findTool(name);
  if (path === undefined) throw new Error(missing(name));
  return path;
}

/** Why a peer that needs these tools cannot run, or undefined when all are there. */
export async function missingTools(...names) {
  for (const name of names) if ((await findTool(name)) === undefined) return missing(name);
  return undefined;
}

function missing(name) {
  return `"${name}" is not installed (Debian: apt-get install ${PACKAGES[name] ?? name})`;
}
