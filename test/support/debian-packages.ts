/**
 * Installs Debian packages, once and bounded in time, without starting the services that come with them.
 *
 * Two test runs may start at the same moment: a lock lets one install and the other find everything there. The services
 * are held back by the policy file that Debian's maintainer scripts obey; one that somebody else put there is left alone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { toolPath } from './tools.ts';

/** First line of the policy file, by which a later run knows one that a killed run left behind. */
const POLICY_MARK = '# Made by the Postern test set-up, which removes it again.';

export interface InstallOptions {
  /** Give up after this long, in ms. Default 480_000. */
  readonly deadlineMs?: number;
  /** The file that keeps services from starting. Default /usr/sbin/policy-rc.d. */
  readonly policyFile?: string;
  /** Held while installing. Default /var/lock/postern-test-packages. */
  readonly lockFile?: string;
  /** Environment of apt-get. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
}

export const INSTALL_DEFAULTS = {
  deadlineMs: 480_000,
  policyFile: '/usr/sbin/policy-rc.d',
  lockFile: '/var/lock/postern-test-packages',
} as const satisfies InstallOptions;

/**
 * `dpkg --configure -a` mends what a killed run left half done. The exit code of `apt-get update` is not looked at: one
 * broken third-party source must not matter when Debian's own can be read; the install fails if they cannot.
 */
const SCRIPT = `
policy=$1; mark=$2; shift 2
export DEBIAN_FRONTEND=noninteractive
made=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" > "$policy" && chmod 755 "$policy" && made=yes
elif grep -qF "$mark" "$policy"; then
  made=yes
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
trap 'exit 143' TERM INT
dpkg --configure -a
apt-get -q -o Acquire::Retries=3 update
apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install "$@"
`;

/** Installs the packages. Rejects with the end of apt's output when it cannot or the deadline passes. */
export async function installPackages(
  packages: readonly string[],
  options: InstallOptions = {},
): Promise<void> {
  const {
    deadlineMs,
    policyFile,
    lockFile,
    env = process.env,
  } = { ...INSTALL_DEFAULTS, ...options };
  const seconds = Math.ceil(deadlineMs / 1000);
  // `timeout` ends the whole process group, apt-get and dpkg with the shell, and later kills what ignored it.
  const bounded = ['timeout', '-k', '15', String(seconds), 'sh', '-c', SCRIPT, 'install'];
  const args = ['-w', String(seconds), lockFile, ...bounded, policyFile, POLICY_MARK, ...packages];
  const child = spawn(toolPath('flock'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-100_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const [code]: unknown[] = await once(child, 'close');
  if (code === 0) return;
  const reason = code === 124 ? `not done after ${seconds} s` : `exit code ${String(code)}`;
  throw new Error(
    `Cannot install ${packages.join(' ')}: ${reason}; apt-get said:\n${lastLines(output, 15)}`,
  );
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
