/**
 * The programs that suites run beside Postern, and the Debian package each comes from.
 *
 * A suite names what it needs with `requireTools`; a missing program fails it loudly. No suite may skip instead: a test
 * that did not run must never look like one that passed. The global set-up installs what is missing where it can.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Tool {
  /** The Debian package that has it. */
  readonly package: string;
  /** File names to look for, the best first. Default: the tool's own name. */
  readonly files?: readonly string[];
  /** Packages that it does not run without, although it does not depend on them. */
  readonly with?: readonly string[];
}

export const TOOLS = {
  sshd: { package: 'openssh-server' },
  'sftp-server': { package: 'openssh-sftp-server' },
  ssh: { package: 'openssh-client' },
  scp: { package: 'openssh-client' },
  sftp: { package: 'openssh-client' },
  'ssh-keygen': { package: 'openssh-client' },
  'ssh-agent': { package: 'openssh-client' },
  'ssh-add': { package: 'openssh-client' },
  rsync: { package: 'rsync' },
  git: { package: 'git' },
  nginx: { package: 'nginx-light' },
  'rabbitmq-server': { package: 'rabbitmq-server' },
  epmd: { package: 'erlang-base' },
  postgres: { package: 'postgresql' },
  initdb: { package: 'postgresql' },
  psql: { package: 'postgresql-client' },
  php: { package: 'php-cli' },
  // What is looked for is a program of the package; the suite runs its pages with php.
  simplesamlphp: {
    package: 'simplesamlphp',
    files: ['pwgen.php', 'simplesamlphp'],
    with: ['php-xml', 'php-mbstring'],
  },
  haproxy: { package: 'haproxy' },
  wrk: { package: 'wrk' },
  nghttp: { package: 'nghttp2-client' },
  h2load: { package: 'nghttp2-client' },
  nc: { package: 'netcat-openbsd', files: ['nc.openbsd', 'nc'] },
  curl: { package: 'curl' },
  openssl: { package: 'openssl' },
  ss: { package: 'iproute2' },
  ip: { package: 'iproute2' },
  ps: { package: 'procps' },
  chromium: { package: 'chromium' },
  setpriv: { package: 'util-linux' },
  flock: { package: 'util-linux' },
  unshare: { package: 'util-linux' },
  perl: { package: 'perl-base' },
  'systemd-notify': { package: 'systemd' },
  'systemd-nspawn': { package: 'systemd-container' },
  debootstrap: { package: 'debootstrap' },
  nsenter: { package: 'util-linux' },
  'dbus-run-session': { package: 'dbus-daemon' },
  'gnome-keyring-daemon': { package: 'gnome-keyring' },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof TOOLS;

/** Where the global set-up leaves the reason why it could not install something. */
export const INSTALL_FAILURE_VARIABLE = 'POSTERN_TEST_INSTALL_FAILURE';

/** The absolute path of a tool, or undefined. */
export function findTool(name: ToolName): string | undefined {
  return locate(name, TOOLS[name], searchDirs());
}

/** The absolute path of a tool. Throws, naming its package, when it is not installed. */
export function toolPath(name: ToolName): string {
  requireTools(name);
  return findTool(name) ?? name;
}

/** Throws, and so fails the suite, when one of the named tools is not installed. */
export function requireTools(...names: readonly ToolName[]): void {
  const complaint = complaintAbout(names);
  if (complaint !== undefined) throw new Error(complaint);
}

/** What `requireTools` throws, or undefined when all are there. `dirs` is for tests of this module. */
export function complaintAbout(
  names: readonly ToolName[],
  dirs: readonly string[] = searchDirs(),
): string | undefined {
  const missing = names.filter((name) => locate(name, TOOLS[name], dirs) === undefined);
  if (missing.length === 0) return undefined;
  const wanted = missing.map((name) => `"${name}" (Debian package ${TOOLS[name].package})`);
  const why = process.env[INSTALL_FAILURE_VARIABLE];
  const because = why === undefined ? '' : `; ${why}`;
  return `Cannot run this suite: not installed: ${wanted.join(', ')}${because}`;
}

/** The Debian packages of all tools that are not installed. `dirs` is for tests of this module. */
export function missingPackages(dirs = searchDirs()): string[] {
  const tools: [string, Tool][] = Object.entries(TOOLS);
  const missing = tools.filter(([name, tool]) => locate(name, tool, dirs) === undefined);
  return [...new Set(missing.flatMap(([, tool]) => [tool.package, ...(tool.with ?? [])]))];
}

/** The absolute path of any program, or undefined. */
export function findProgram(
  file: string,
  dirs: readonly string[] = searchDirs(),
): string | undefined {
  return dirs.map((dir) => join(dir, file)).find((path) => isExecutable(path));
}

function locate(
  name: string,
  { files = [name] }: Tool,
  dirs: readonly string[],
): string | undefined {
  for (const file of files) {
    const path = findProgram(file, dirs);
    if (path !== undefined) return path;
  }
  return undefined;
}

/**
 * PATH, the administrator's directories that a user's PATH often lacks, and those that Debian keeps off every PATH:
 * PostgreSQL's, the newest first, and RabbitMQ's, whose script on the PATH would change the user.
 */
function searchDirs(): string[] {
  const postgres = '/usr/lib/postgresql';
  const versions = entries(postgres).toSorted((a, b) => Number(b) - Number(a));
  return [
    '/usr/lib/rabbitmq/bin',
    ...versions.map((version) => join(postgres, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== ''),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/lib/openssh',
    '/usr/share/simplesamlphp/bin',
  ];
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
