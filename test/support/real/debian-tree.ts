/**
 * A minimal Debian with systemd as a folder: made once, by debootstrap, and kept in the repository's .cache.
 *
 * It is the release of this machine, because Node and its native modules are lent to it and need the same C library.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { mustRun } from '../run.ts';
import { toolPath } from '../tools.ts';

const CACHE = resolve(import.meta.dirname, '../../../.cache');

/** In its name, so that a longer list makes a new tree. */
const PACKAGES = ['systemd', 'dbus', 'openssh-server'];

const MIRROR = 'http://deb.debian.org/debian';

/** How long debootstrap may take, ms. It takes 50 s where the mirror is near. */
const DEADLINE_MS = 480_000;

/** The folder. Waits for another run that makes it. */
export async function debianTree(): Promise<string> {
  const tree = join(CACHE, `debian-${release()}-${PACKAGES.join('-')}`);
  if (existsSync(tree)) return tree;
  mkdirSync(CACHE, { recursive: true });
  const making = `${tree}.${process.pid}`;
  const words = [
    '--variant=minbase',
    `--include=${PACKAGES.join(',')}`,
    release(),
    making,
    mirror(),
  ];
  const lock = ['-w', String(DEADLINE_MS / 1000), '/var/lock/postern-test-debian'];
  try {
    const script = 'test -d "$1" || { shift; exec "$@"; }';
    const make = ['sh', '-c', script, 'make', tree, toolPath('debootstrap'), ...words];
    await mustRun(toolPath('flock'), [...lock, ...make], { deadlineMs: DEADLINE_MS });
    // Whole or not at all: a run that is killed leaves a folder of another name.
    if (!existsSync(tree)) renameSync(making, tree);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return tree;
}

function release(): string {
  const name = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (name === undefined) throw new Error('Cannot make a Debian tree: this machine is no Debian');
  return name;
}

/** Where apt gets Debian from. */
function mirror(): string {
  const folder = '/etc/apt/sources.list.d';
  const lists = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  for (const file of ['/etc/apt/sources.list', ...lists].filter((name) => existsSync(name))) {
    const found = /(?:^URIs:|^deb(?: \[[^\]]*\])?) (\S+\/debian\/?)(?:\s|$)/m.exec(
      readFileSync(file, 'utf8'),
    );
    if (found?.[1] !== undefined && file.match(/\.(?:list|sources)$/)) return found[1];
  }
  return MIRROR;
}
