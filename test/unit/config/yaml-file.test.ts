import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_CONFIG_BYTES } from '../../../src/config/read-text-file.ts';
import { parseYaml, readYamlFile } from '../../../src/config/yaml-file.ts';

function unreadable(message: RegExp): unknown {
  return expect.objectContaining({
    code: 'CONFIG_UNREADABLE',
    message: expect.stringMatching(message),
  });
}

/** A list of so many aliases of one value, on line 2. */
function aliases(count: number): string {
  return `a: &a x\nb: [${'*a, '.repeat(count)}]\n`;
}

describe('readYamlFile()', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-yaml-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function file(name: string, content: string | Uint8Array): Promise<string> {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  }

  it('names a file that does not exist', async () => {
    const name = join(folder, 'nowhere.yaml');
    await expect(readYamlFile(name)).rejects.toEqual(
      unreadable(/nowhere\.yaml: does not exist; name the configuration file with --config$/),
    );
  });

  it('says that a folder is a folder', async () => {
    await expect(readYamlFile(folder)).rejects.toEqual(unreadable(/: is a folder, not a file; /));
  });

  it('says that a path goes through something that is no folder', async () => {
    const name = join(await file('plain', 'a: 1\n'), 'config.yml');
    await expect(readYamlFile(name)).rejects.toEqual(unreadable(/: does not exist: a part of /));
  });

  it('says that a link leads to itself', async () => {
    await symlink('loop', join(folder, 'loop'));
    await expect(readYamlFile(join(folder, 'loop'))).rejects.toEqual(unreadable(/leads to itself/));
  });

  it('refuses a file of one byte more than the limit, and reads one that just fits', async () => {
    const comment = `a: 1\n#${' '.repeat(MAX_CONFIG_BYTES - 6)}`;
    expect((await readYamlFile(await file('fits', comment))).value).toEqual({ a: 1 });
    const large = await file('large', `${comment} `);
    await expect(readYamlFile(large)).rejects.toEqual(unreadable(/: is larger than 1 MiB; /));
  });

  it('stops reading an endless file at the limit', async () => {
    await expect(readYamlFile('/dev/zero')).rejects.toEqual(unreadable(/is larger than 1 MiB/));
  });

  it('refuses what is not UTF-8', async () => {
    // "a: " and 0xff, which begins nothing in UTF-8
    const name = await file('latin', Buffer.from('613a20ff0a', 'hex'));
    await expect(readYamlFile(name)).rejects.toEqual(unreadable(/: is not UTF-8 text; /));
  });

  it('reads a file with a byte order mark and Windows line ends', async () => {
    const name = await file('windows', '\uFEFFa: 1\r\nb:\r\n  c: x\r\n');
    const yaml = await readYamlFile(name);
    expect(yaml.value).toEqual({ a: 1, b: { c: 'x' } });
    expect(yaml.lineOf(['b', 'c'])).toBe(3);
  });
});

describe('parseYaml()', () => {
  it('knows the line of every key and list entry, and of the nearest thing to one that is not there', () => {
    const yaml = parseYaml(
      'f',
      [
        '# comment',
        'a: 1',
        'list:',
        '  - x',
        '  - name: y',
        '    b: 2',
        '"q": &q',
        '  z: 1',
        'r: *q',
      ].join('\n'),
    );
    expect(yaml.lineOf([])).toBe(2);
    expect(yaml.lineOf(['a'])).toBe(2);
    expect(yaml.lineOf(['list'])).toBe(3);
    expect(yaml.lineOf(['list', 0])).toBe(4);
    expect(yaml.lineOf(['list', 1])).toBe(5);
    expect(yaml.lineOf(['list', 1, 'b'])).toBe(6);
    expect(yaml.lineOf(['list', 1, 'missing'])).toBe(5);
    expect(yaml.lineOf(['list', 9])).toBe(3);
    expect(yaml.lineOf(['list', 'name'])).toBe(3);
    expect(yaml.lineOf(['q', 'z'])).toBe(8);
    expect(yaml.lineOf(['r', 'z'])).toBe(8);
    expect(yaml.lineOf(['missing'])).toBe(2);
  });

  it('keeps a key called __proto__ a key', () => {
    const { value } = parseYaml('f', '__proto__: { polluted: true }\n');
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    ['brackets', '['.repeat(20_000)],
    ['closed brackets', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['mappings', Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['lists', '- '.repeat(20_000)],
    ['keys', '? '.repeat(20_000)],
    ['brackets, one level too many', `a: ${'['.repeat(101)}${']'.repeat(101)}`],
  ])('refuses deeply nested %s without ending the process', (_, text) => {
    expect(() => parseYaml('f', text)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_SYNTAX',
        message: expect.stringContaining('is nested too deeply'),
      }),
    );
  });

  it('takes more levels than anybody needs', () => {
    const { value } = parseYaml('f', `a: ${'['.repeat(90)}${']'.repeat(90)}`);
    expect(JSON.stringify(value)).toContain('['.repeat(90));
  });

  it('takes a thousand aliases and refuses one more', () => {
    expect(parseYaml('f', aliases(1000)).value['b']).toHaveLength(1000);
    expect(() => parseYaml('f', aliases(1001))).toThrow(/^f:2: has more than 1000 aliases/);
  });

  it('refuses few aliases that stand for much', () => {
    const bomb = Array.from(
      { length: 9 },
      (_, i) => `k${i + 1}: &k${i + 1} [${`*k${i}, `.repeat(9)}]`,
    );
    expect(() => parseYaml('f', ['k0: &k0 [x]', ...bomb].join('\n'))).toThrow(
      expect.objectContaining({ code: 'CONFIG_SYNTAX' }),
    );
  });

  it('finds a duplicate among many keys', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`);
    expect(() => parseYaml('f', [...keys, '"k7": 2'].join('\n'))).toThrow(
      /^f:20001: key "k7" is written twice; keep one$/,
    );
  });
});
