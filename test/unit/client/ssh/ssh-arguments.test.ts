/** The argument vector, as the real ssh and the shell that it starts read it. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { sshArguments } from '../../../../src/client/ssh/ssh-arguments.ts';
import { parseSshWords } from '../../../../src/client/ssh/ssh-words.ts';
import { mustRun, run } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { toolPath } from '../../../support/tools.ts';

const HOSTILE = [
  'a b',
  "it's",
  'say "hi"',
  '$(touch pwned)',
  '`touch pwned`',
  '; touch pwned #',
  '&& touch pwned',
  '%h %% %r',
  '~root',
  '*',
  'back\\slash\\',
  "\\'",
  '!x',
  '${HOME}',
  'grün',
  '# no comment',
];

/** What `ssh -G` makes of the words: its settings, one a line. */
async function settings(...args: readonly string[]): Promise<string> {
  return (await mustRun(toolPath('ssh'), ['-F', 'none', '-G', ...args])).stdout;
}

describe('sshArguments()', () => {
  it.each(HOSTILE)('L10 give the proxy command its words as they are: %j', async (name) => {
    const dir = join(tempDir('proxy'), name.replaceAll('/', ''));
    mkdirSync(dir);
    const [program, seen] = [join(dir, 'proxy'), join(dir, 'seen')];
    writeFileSync(program, '#!/bin/sh\nout=$1; shift\nprintf "%s\\n" "$@" > "$out"\n');
    chmodSync(program, 0o755);
    const words = parseSshWords(['ssh.example.com']);
    const args = sshArguments({ words, proxy: [program, seen, '--hostname', name] });
    await run(toolPath('ssh'), ['-F', 'none', ...args], { cwd: dir });
    expect(readFileSync(seen, 'utf8')).toBe(`--hostname\n${name}\n`);
  });

  it.each(['a\nb', 'a\0b', 'a\rb'])('L10 refuse %j in the proxy command', (word) => {
    const words = parseSshWords(['ssh.example.com']);
    expect(() => sshArguments({ words, proxy: [word] })).toThrow(
      expect.objectContaining({ code: 'CLI_FAILED' }),
    );
  });

  it('L10 keep options that stand in the command away from ssh', async () => {
    const words = parseSshWords(['ssh.example.com', '--', '-oUser=evil', '-oProxyCommand=id']);
    const text = await settings(...sshArguments({ words, proxy: ['/proxy'] }));
    expect(text).toContain('\nproxycommand /proxy\n');
    expect(text).not.toContain('user evil');
  });

  it('come before the settings of the user, of which the rest count', async () => {
    const options = ['-oProxyCommand=id', '-oUser=bob', '-p', '2200', '-A'];
    const words = parseSshWords(['ssh.example.com', ...options]);
    const text = await settings(...sshArguments({ words, proxy: ['/proxy'] }));
    expect(text).toContain('\nproxycommand /proxy\n');
    expect(text.split('\n')).toEqual(
      expect.arrayContaining(['hostname ssh.example.com', 'user bob', 'port 2200']),
    );
  });

  it('name to ssh what is reached behind a bastion, and to the proxy command both', async () => {
    const words = parseSshWords(['ann@bastion.example.com', '-p', '22', 'uptime']);
    const proxy = ['/proxy', '--hostname', 'bastion.example.com'];
    const behind = { host: 'db.internal', port: 2200 };
    const text = await settings(...sshArguments({ words, proxy, behind }));
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        'hostname db.internal',
        'user ann',
        'port 2200',
        'proxycommand /proxy --hostname bastion.example.com --destination db.internal:2200',
      ]),
    );
  });

  it('take an address behind a bastion as ssh writes it', async () => {
    const words = parseSshWords(['bastion.example.com']);
    const args = { words, proxy: ['/proxy'], behind: { host: '2001:db8::1', port: 22 } };
    const text = await settings(...sshArguments(args));
    expect(text).toContain('\nhostname 2001:db8::1\n');
    const [, setting = ''] = sshArguments(args);
    expect(setting).toBe(String.raw`ProxyCommand=/proxy --destination \[2001:db8::1\]:22`);
  });

  it('name the key and the certificate, and no other key, where there is one', async () => {
    const words = parseSshWords(['ann@ssh.example.com']);
    const text = await settings(
      ...sshArguments({ words, proxy: ['/proxy'], identityFile: '/tmp/a b%c/"key"' }),
    );
    expect(text.split('\n')).toEqual(
      expect.arrayContaining(['user ann', 'identitiesonly yes', 'identityfile /tmp/a b%%c/"key"']),
    );
    const without = await settings(...sshArguments({ words, proxy: ['/proxy'] }));
    expect(without).toContain('\nidentitiesonly no\n');
  });
});
