/**
 * A machine with systemd as process 1: systemd-nspawn on a minimal Debian, with a network of its own that has nothing
 * but the loopback. What is changed in it lives in memory; nothing of it outlasts the test.
 *
 * nspawn runs in a process-id namespace of ours: when its first process is killed, and it is when the runner is, the
 * kernel kills everything inside. By itself nspawn would leave the machine running. Its control groups are below one of
 * ours, which is removed when it is empty.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { cleanup } from '../cleanup.ts';
import { eventually } from '../eventually.ts';
import { startProcess, type ProcessOptions, type TestProcess } from '../processes.ts';
import { mustRun, run, type RunOptions, type RunResult } from '../run.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { debianTree } from './debian-tree.ts';

const REPOSITORY = resolve(import.meta.dirname, '../../..');
const CGROUPS = '/sys/fs/cgroup';
const BOOT_MS = 90_000;

/** Where the repository is inside. */
const INSIDE = '/opt/postern';

/** Words before the program, so that nothing of this machine's environment gets in. */
const CLEAN = [
  '/usr/bin/env',
  '-i',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LC_ALL=C.UTF-8',
];

/** What of the repository is there: what a package has, and what it depends on. */
const PARTS = ['bin', 'dist', 'node_modules', 'package.json', 'service-files'];

/**
 * The first process joins our groups, lays a file system in memory over the tree, hides what nspawn would leave behind, and
 * becomes nspawn as process 1 of the namespace.
 */
const BOOT = `
for group in "$1" "$2"; do
  [ -z "$group" ] || { mkdir -p "$group" && echo 0 > "$group/cgroup.procs"; } || exit 1
done
shift 2
exec unshare --pid --fork --kill-child=KILL --mount-proc -- sh -ec '
  tree=$1; dir=$2; shift 2
  mount -t tmpfs tmpfs "$dir"
  mkdir "$dir/upper" "$dir/work" "$dir/root"
  mount -t overlay -o "lowerdir=$tree,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
  mkdir -p /run/systemd/nspawn
  mount -t tmpfs tmpfs /run/systemd/nspawn
  exec "$@" --directory "$dir/root"' boot "$@"
`;

export class DebianMachine {
  readonly #leader: number;

  constructor(leader: number) {
    this.#leader = leader;
  }

  /** Runs a program inside, whatever its exit status. */
  async run(
    program: string,
    args: readonly string[] = [],
    options?: RunOptions,
  ): Promise<RunResult> {
    return run(...this.command(program, ...args), options);
  }

  /** What a program inside printed. Rejects unless its exit status is 0. */
  async must(program: string, args: readonly string[] = [], options?: RunOptions): Promise<string> {
    return (await mustRun(...this.command(program, ...args), options)).stdout;
  }

  /** Starts a program inside. */
  start(program: string, args: readonly string[], options?: ProcessOptions): TestProcess {
    return startProcess(...this.command(program, ...args), options);
  }

  /** Program and arguments that run the repository's CLI inside. */
  postern(...args: readonly string[]): [string, string[]] {
    return ['/usr/bin/node', [`${INSIDE}/bin/postern.js`, ...args]];
  }

  /** Writes a file inside. */
  async write(path: string, content: string): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat > "$1"';
    await this.must('sh', ['-c', script, 'write', path], { input: content });
  }

  /** Program and arguments that run a program inside. */
  command(program: string, ...args: readonly string[]): [string, string[]] {
    const enter = ['--target', String(this.#leader), '--all', '--', ...CLEAN];
    return [toolPath('nsenter'), [...enter, program, ...args]];
  }
}

/** Boots it and waits until all its units are started. The clean-up removes it. */
export async function startDebianMachine(): Promise<DebianMachine> {
  requireTools('systemd-nspawn', 'debootstrap', 'nsenter', 'unshare', 'ps');
  const tree = await debianTree();
  removeCgroups();
  const name = `postern-test-${process.pid}`;
  cleanup(async () => eventually(() => !removeCgroups().includes(name), { deadlineMs: 30_000 }));
  const groups = ['systemd', 'unified'].map((hierarchy) =>
    existsSync(join(CGROUPS, hierarchy)) ? join(CGROUPS, hierarchy, name) : '',
  );
  const nspawn = [
    '--register=no',
    '--keep-unit',
    '--boot',
    '--quiet',
    '--console=pipe',
    '--private-network',
    '--machine=postern-test',
    `--bind-ro=${process.execPath}:/usr/bin/node`,
    ...PARTS.map((part) => `--bind-ro=${join(REPOSITORY, part)}:${INSIDE}/${part}`),
  ];
  const places = [tree, tempDir('machine')];
  const words = ['-c', BOOT, 'boot', ...groups, ...places, toolPath('systemd-nspawn'), ...nspawn];
  const boot = startProcess('/bin/sh', words, {
    name: 'debian-machine',
    // The new kind of control groups wherever there is one: with the old, systemd in a container is not told when a
    // service's last process has ended, and waits for it.
    env: { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: groups[1] === '' ? '0' : '1' },
    graceMs: 0,
  });
  let leader: number | undefined;
  const isBooting = (): boolean => (leader = grandchild(boot)) !== undefined;
  await eventually(isBooting, { deadlineMs: BOOT_MS, what: 'a boot' });
  const machine = new DebianMachine(leader ?? 0);
  await eventually(
    async () => {
      const { stdout } = await machine.run('systemctl', ['is-system-running']);
      return stdout.trim() === 'running' || Promise.reject(new Error(stdout));
    },
    { deadlineMs: BOOT_MS, everyMs: 100, what: 'the machine to be up' },
  );
  return machine;
}

/** Process 1 of the machine: unshare starts nspawn, which starts systemd. */
function grandchild(boot: TestProcess): number | undefined {
  if (boot.exit !== undefined) throw new Error(`it ended: ${boot.output.text()}`);
  const [nspawn] = childrenOf(boot.pid);
  const [init] = nspawn === undefined ? [] : childrenOf(nspawn);
  if (init === undefined) return undefined;
  return readFileSync(`/proc/${init}/comm`, 'utf8').trim() === 'systemd' ? init : undefined;
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Removes the control groups of machines that are gone; resolves with the names of those that are busy still. */
function removeCgroups(): string[] {
  const roots = ['systemd', 'unified'].map((hierarchy) => join(CGROUPS, hierarchy));
  return roots
    .filter((root) => existsSync(root))
    .flatMap((root) =>
      readdirSync(root).filter(
        (name) => name.startsWith('postern-test-') && !isRemoved(join(root, name)),
      ),
    );
}

function isRemoved(group: string): boolean {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true })) {
      if (entry.isDirectory() && !isRemoved(join(group, entry.name))) return false;
    }
    rmdirSync(group);
    return true;
  } catch {
    // Busy, or gone since.
    return !existsSync(group);
  }
}
