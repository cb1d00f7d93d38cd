import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { installPackages, type InstallOptions } from '../../support/debian-packages.ts';
import { tempDir } from '../../support/temp-dir.ts';
import {
  complaintAbout,
  INSTALL_FAILURE_VARIABLE,
  missingPackages,
  requireTools,
  TOOLS,
  toolPath,
} from '../../support/tools.ts';

function addProgram(dir: string, name: string, script = ''): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, name), 0o755);
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** A directory of programs that stand in for the system's, and a log of how they were called. */
function fakeSystem(aptGet: string): { options: InstallOptions; log: () => string[] } {
  const dir = tempDir('apt');
  const policyFile = join(dir, 'policy-rc.d');
  const note = `echo "$(basename $0) $*" >> ${dir}/log`;
  addProgram(dir, 'dpkg', note);
  addProgram(dir, 'apt-get', `${note}\n${policyFile}; echo "policy $?" >> ${dir}/log\n${aptGet}`);
  return {
    options: {
      policyFile,
      lockFile: join(dir, 'lock'),
      env: { ...process.env, PATH: `${dir}:${String(process.env['PATH'])}` },
    },
    log: () => readFileSync(join(dir, 'log'), 'utf8').trimEnd().split('\n'),
  };
}

describe('tools', () => {
  it('missingPackages() names each package once, and none when all is there', () => {
    const dir = tempDir('tools');
    expect(missingPackages([dir])).toEqual([
      ...new Set(
        Object.values(TOOLS).flatMap((tool) => [
          tool.package,
          ...('with' in tool ? tool.with : []),
        ]),
      ),
    ]);
    for (const name of Object.keys(TOOLS)) addProgram(dir, name);
    expect(missingPackages([dir])).toEqual([]);
  });

  it('a file that cannot be executed, or a directory, is no program', () => {
    const dir = tempDir('tools');
    for (const name of Object.keys(TOOLS)) addProgram(dir, name);
    chmodSync(join(dir, 'wrk'), 0o644);
    expect(missingPackages([dir])).toEqual(['wrk']);
    const other = tempDir('tools');
    mkdirSync(join(other, 'git'));
    expect(missingPackages([other])).toContain('git');
  });

  it('a suite fails loudly: with the program, its package, and why it could not be installed', () => {
    const dir = tempDir('tools');
    addProgram(dir, 'sshd');
    const before = process.env[INSTALL_FAILURE_VARIABLE];
    cleanup(() => setVariable(INSTALL_FAILURE_VARIABLE, before));
    setVariable(INSTALL_FAILURE_VARIABLE, 'only root can install packages');
    expect(complaintAbout(['sshd', 'wrk', 'nc'], [dir])).toBe(
      'Cannot run this suite: not installed: "wrk" (Debian package wrk), ' +
        '"nc" (Debian package netcat-openbsd); only root can install packages',
    );
    setVariable(INSTALL_FAILURE_VARIABLE, undefined);
    expect(complaintAbout(['wrk'], [dir])).toMatch(/\(Debian package wrk\)$/);
    expect(complaintAbout(['sshd'], [dir])).toBeUndefined();
  });

  it('toolPath() is absolute', () => {
    expect(toolPath('setpriv')).toMatch(/^\/.*\/setpriv$/);
    expect(() => requireTools('setpriv')).not.toThrow();
  });
});

describe('installPackages()', () => {
  it('updates, then installs without recommended packages, services held back meanwhile', async () => {
    const { options, log } = fakeSystem(
      '[ -t 0 ] && exit 1; [ "$DEBIAN_FRONTEND" = noninteractive ]',
    );
    await installPackages(['wrk', 'nginx-light'], options);
    const [dpkg, update, policy, install, policyAgain] = log();
    expect(dpkg).toBe('dpkg --configure -a');
    expect(update).toMatch(/^apt-get .*update$/);
    expect(install).toMatch(/^apt-get .*-y --no-install-recommends .*install wrk nginx-light$/);
    expect([policy, policyAgain]).toEqual(['policy 101', 'policy 101']);
    expect(existsSync(String(options.policyFile))).toBe(false);
  });

  it('leaves a policy alone that somebody else made', async () => {
    const { options } = fakeSystem('');
    writeFileSync(String(options.policyFile), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    await installPackages(['wrk'], options);
    expect(existsSync(String(options.policyFile))).toBe(true);
  });

  it('rejects with what apt-get said, and still removes its policy', async () => {
    const { options } = fakeSystem('echo "E: Unable to locate package" >&2; exit 100');
    await expect(installPackages(['wrk'], options)).rejects.toThrow(
      /Cannot install wrk: exit code 100; apt-get said:\n.*Unable to locate package/s,
    );
    expect(existsSync(String(options.policyFile))).toBe(false);
  });

  it('gives up at the deadline, ends apt-get with it, and removes its policy', async () => {
    const { options, log } = fakeSystem('exec sleep 600');
    const start = performance.now();
    await expect(installPackages(['wrk'], { ...options, deadlineMs: 1000 })).rejects.toThrow(
      'not done after 1 s',
    );
    expect(performance.now() - start).toBeLessThan(60_000);
    expect(log().some((line) => line.includes('install'))).toBe(false);
    expect(existsSync(String(options.policyFile))).toBe(false);
  });

  it('two at once take turns', async () => {
    const { options, log } = fakeSystem(
      'echo begin >> $(dirname $0)/log; echo end >> $(dirname $0)/log',
    );
    await Promise.all([installPackages(['wrk'], options), installPackages(['git'], options)]);
    const turns = log().filter(
      (line) => line === 'dpkg --configure -a' || line.includes(' install '),
    );
    expect(turns.map((line) => line.split(' ').at(0))).toEqual([
      'dpkg',
      'apt-get',
      'dpkg',
      'apt-get',
    ]);
  });
});
