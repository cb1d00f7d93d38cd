/** Files that are whole or not there. */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createFileAtomic, writeFileAtomic } from '../../../src/core/write-file-atomic.ts';
import { tempDir } from '../../support/temp-dir.ts';

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

describe('writeFileAtomic()', () => {
  it('creates and replaces a file with exactly this mode, whatever the umask', async () => {
    const file = join(tempDir('write'), 'a');
    const umask = process.umask(0o077);
    try {
      await writeFileAtomic(file, 'one', 0o644);
      expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['one', '644']);
      await writeFileAtomic(file, 'two', 0o600);
      expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['two', '600']);
    } finally {
      process.umask(umask);
    }
  });

  it('leaves the old file whole for whoever reads meanwhile', async () => {
    const file = join(tempDir('write'), 'a');
    const texts = ['x', 'y'].map((char) => char.repeat(2 ** 20));
    await writeFileAtomic(file, texts[0] ?? '', 0o600);
    const state = { isDone: false };
    const writing = Promise.all(texts.map((text) => writeFileAtomic(file, text, 0o600))).finally(
      () => (state.isDone = true),
    );
    while (!state.isDone) {
      expect(texts).toContain(readFileSync(file, 'utf8'));
      await new Promise(setImmediate);
    }
    await writing;
  });

  it('leaves nothing behind when it cannot', async () => {
    const dir = tempDir('write');
    mkdirSync(join(dir, 'folder'));
    await expect(writeFileAtomic(join(dir, 'folder'), 'x', 0o600)).rejects.toMatchObject({
      code: 'EISDIR',
    });
    expect(readdirSync(dir)).toEqual(['folder']);
  });
});

describe('createFileAtomic()', () => {
  it('creates a file, and never touches one that is there', async () => {
    const dir = tempDir('write');
    const file = join(dir, 'a');
    expect(await createFileAtomic(file, 'one', 0o600)).toBe(true);
    expect(await createFileAtomic(file, 'two', 0o644)).toBe(false);
    expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['one', '600']);
    expect(readdirSync(dir)).toEqual(['a']);
  });

  it('lets exactly one of many create it', async () => {
    const file = join(tempDir('write'), 'a');
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => createFileAtomic(file, String(i), 0o600)),
    );
    expect(all.filter(Boolean)).toHaveLength(1);
    expect(readFileSync(file, 'utf8')).toBe(String(all.indexOf(true)));
  });

  it('rejects where it cannot write', async () => {
    const file = join(tempDir('write'), 'a');
    writeFileSync(file, '');
    await expect(createFileAtomic(join(file, 'b'), 'x', 0o600)).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
  });
});
