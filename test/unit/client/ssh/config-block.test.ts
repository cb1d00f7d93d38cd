/** The block in `~/.ssh/config`, as the real ssh and the shells that it starts read it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import {
  blockMarks,
  configBlock,
  withBlock,
  type ConfigBlock,
} from '../../../../src/client/ssh/config-block.ts';
import { run, type RunResult } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { toolPath } from '../../../support/tools.ts';

const BLOCK: ConfigBlock = {
  hostnames: ['*.example.com', 'db.example.org'],
  proxy: ['/usr/bin/postern', 'access', 'tcp'],
  certify: ['true'],
  keyFolder: '/home/ann/.postern/ssh',
};

/** Hosts that are reached through a bastion. */
const BEHIND: ConfigBlock = {
  ...BLOCK,
  hostnames: ['*.internal', '10.0.0.*', 'db'],
  bastion: 'bastion.example.com',
};

const MARKS = blockMarks();

/** What ssh does for `host` with this configuration. */
async function ssh(config: string, host: string, ...args: readonly string[]): Promise<RunResult> {
  const dir = tempDir('config');
  const file = join(dir, 'config');
  writeFileSync(file, config, { mode: 0o600 });
  return run(toolPath('ssh'), ['-T', '-F', file, ...args, '--', host], { cwd: dir });
}

async function settings(config: string, host: string): Promise<string[]> {
  const { code, stdout, stderr } = await ssh(config, host, '-G');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n');
}

describe('configBlock()', () => {
  it('leads its hosts through us, with key and certificate, and no other host', async () => {
    const block = configBlock(BLOCK);
    for (const host of ['ssh.example.com', 'db.example.org']) {
      expect(await settings(block, host)).toEqual(
        expect.arrayContaining([
          "proxycommand /usr/bin/postern access tcp --hostname '%h'",
          'identityfile /home/ann/.postern/ssh/%h',
          'certificatefile /home/ann/.postern/ssh/%h-cert.pub',
          'identitiesonly yes',
        ]),
      );
    }
    const other = await settings(block, 'ssh.example.org');
    expect(other.join('\n')).not.toMatch(/postern/);
  });

  it('leads through us without a certificate where there is none', async () => {
    const block = configBlock({ ...BLOCK, certify: ['false'] });
    const found = await settings(block, 'ssh.example.com');
    expect(found).toContain("proxycommand /usr/bin/postern access tcp --hostname '%h'");
    expect(found).toContain('identitiesonly no');
    expect(found.join('\n')).not.toContain('/home/ann');
  });

  it('leads hosts behind a bastion through it, with its key and certificate', async () => {
    const block = configBlock(BEHIND);
    for (const host of ['a.internal', '10.0.0.7', 'db']) {
      expect(await settings(block, host)).toEqual(
        expect.arrayContaining([
          `hostname ${host}`,
          "proxycommand /usr/bin/postern access tcp --hostname 'bastion.example.com' --destination '%h:%p'",
          'identityfile /home/ann/.postern/ssh/bastion.example.com',
          'certificatefile /home/ann/.postern/ssh/bastion.example.com-cert.pub',
          'identitiesonly yes',
        ]),
      );
    }
    for (const host of ['bastion.example.com', '10.0.1.7', 'db.internal.example']) {
      expect((await settings(block, host)).join('\n')).not.toMatch(/postern/);
    }
  });

  it('names the host and the port that ssh was called with, behind the bastion', async () => {
    const program = join(tempDir('proxy'), 'program');
    writeFileSync(program, '#!/bin/sh\necho "$@" > "$0.seen"\n', { mode: 0o755 });
    await ssh(configBlock({ ...BEHIND, proxy: [program] }), 'a.internal', '-p', '2200');
    expect(readFileSync(`${program}.seen`, 'utf8')).toBe(
      '--hostname bastion.example.com --destination a.internal:2200\n',
    );
  });

  it('leaves what follows it to every host', async () => {
    const config = withBlock('User bob\nHost x\n  User eve\n', configBlock(BLOCK));
    expect(await settings(config, 'elsewhere.test')).toContain('user bob');
    expect(await settings(config, 'ssh.example.com')).toContain('user bob');
  });

  it.each(['a b', '$(id)`id`;#', '100%', '%h', '${HOME}', 'grün', '~', '!x', '# y'])(
    'L11 runs our command from the folder %j, with the hostname',
    async (name) => {
      const dir = join(tempDir('seen'), name);
      mkdirSync(dir);
      const [program, seen] = [join(dir, 'program'), join(dir, 'seen')];
      writeFileSync(program, '#!/bin/sh\nprintf "%s\\n" "$2" "$3" > "$1"\n', { mode: 0o755 });
      const words = [program, seen];
      const block = configBlock({ ...BLOCK, proxy: words, certify: words });
      await ssh(block, 'ssh.example.com', '-G');
      expect(readFileSync(seen, 'utf8')).toBe('--hostname\nssh.example.com\n');
      writeFileSync(seen, '');
      await ssh(block, 'ssh.example.com');
      expect(readFileSync(seen, 'utf8')).toBe('--hostname\nssh.example.com\n');
    },
  );

  it.each([
    "'; touch pwned; '.example.com",
    '$(touch pwned).example.com',
    '`touch pwned`.example.com',
    '";touch pwned;".example.com',
    "\\';touch pwned;'.example.com",
    '\\.example.com',
    'a\ntouch pwned\n.example.com',
    '|touch pwned|.example.com',
  ])('L11 a hostname %j on the command line of ssh runs nothing', async (host) => {
    const dir = tempDir('pwned');
    const words = ['sh', '-c', ':', 'sh'];
    const file = join(dir, 'config');
    writeFileSync(file, configBlock({ ...BLOCK, proxy: words, certify: words }), { mode: 0o600 });
    for (const args of [['-G'], ['-oConnectTimeout=1']]) {
      await run(toolPath('ssh'), ['-T', '-F', file, ...args, '--', host], { cwd: dir });
      expect(existsSync(join(dir, 'pwned'))).toBe(false);
    }
  });

  it('L11 hostnames that would end the quotes match no section', async () => {
    const block = configBlock(BLOCK);
    const matched = block.split('\n').filter((line) => line.startsWith('Match host'));
    expect(matched).toHaveLength(2);
    for (const line of matched) expect(line).toContain(`,!*'*,!*\\*"`);
  });

  it.each(['a b.example.com', "'.example.com", '*', 'a,b', '!x', '-x.example.com\n', '$(id)'])(
    'L11 writes nothing for the hostname %j',
    (hostname) => {
      expect(() => configBlock({ ...BLOCK, hostnames: [hostname] })).toThrow(
        expect.objectContaining({ code: 'CLI_USAGE' }),
      );
    },
  );

  it.each(['*', '*.*', '10.*.1.*', 'db:22', "10.0.0.'", '10.0.0.*,x'])(
    'L11 writes nothing for the destination %j',
    (hostname) => {
      expect(() => configBlock({ ...BEHIND, hostnames: [hostname] })).toThrow(
        expect.objectContaining({ code: 'CLI_USAGE' }),
      );
    },
  );

  it.each(["a'b", 'a"b', 'a\\b', 'a\nb'])('L11 writes nothing for the program %j', (word) => {
    expect(() => configBlock({ ...BLOCK, certify: [word] })).toThrow(
      expect.objectContaining({ code: 'CLI_FAILED' }),
    );
  });

  it.each(['/home/${USER}', '/home/a\nb'])('L11 writes nothing for the folder %j', (keyFolder) => {
    expect(() => configBlock({ ...BLOCK, keyFolder })).toThrow(
      expect.objectContaining({ code: 'CLI_FAILED' }),
    );
  });
});

describe('withBlock()', () => {
  const block = configBlock(BLOCK);
  const other = configBlock({ ...BLOCK, hostnames: ['*.example.net'] });

  it('puts the block first', () => {
    expect(withBlock('', block)).toBe(block);
    expect(withBlock('Host a\n', block)).toBe(`${block}\nHost a\n`);
  });

  it('keeps the blocks of bastions and of applications apart', () => {
    const bastion = configBlock(BEHIND);
    const second = configBlock({ ...BEHIND, bastion: 'n.example.com' });
    const all = [block, bastion, second].reduce(withBlock, 'Host a\n');
    expect(all).toBe(`${second}\n${bastion}\n${block}\nHost a\n`);
    for (const one of [block, bastion, second]) expect(withBlock(all, one)).toBe(all);
  });

  it('replaces the one that is there, and changes nothing the second time', () => {
    const before = withBlock('Host a\n', other);
    const after = withBlock(before, block);
    expect(after).toBe(`${block}\nHost a\n`);
    expect(withBlock(after, block)).toBe(after);
    expect(withBlock(`# mine\n${before}`, block)).toBe(`# mine\n${block}\nHost a\n`);
  });

  it.each([
    ['no end', `${MARKS.begin}\nHost a\n`],
    ['no begin', `Host a\n${MARKS.end}\n`],
    ['the wrong order', `${MARKS.end}\n${MARKS.begin}\n`],
    ['two of them', `${block}${block}`],
  ])('refuses marks with %s', (_what, config) => {
    expect(() => withBlock(config, block)).toThrow(expect.objectContaining({ code: 'CLI_FAILED' }));
  });
});
