import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { adminSocketPath, probeSocket } from '../../../src/admin/admin-socket.ts';
import { cleanup } from '../../support/cleanup.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('adminSocketPath()', () => {
  it('is in the data directory', () => {
    expect(adminSocketPath('/var/lib/postern')).toBe('/var/lib/postern/admin.sock');
  });

  it('refuses a path that does not fit a socket address, by bytes', () => {
    // "/" + name + "/admin.sock" is 12 bytes and the name; 107 fit on Linux, 103 elsewhere.
    const room = (process.platform === 'linux' ? 107 : 103) - 12;
    expect(adminSocketPath(`/${'d'.repeat(room)}`)).toHaveLength(room + 12);
    for (const name of ['d'.repeat(room + 1), 'ü'.repeat(room / 2 + 1)]) {
      expect(() => adminSocketPath(`/${name}`)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringMatching(/bytes.*choose a shorter data-dir/),
        }),
      );
    }
  });
});

describe('probeSocket()', () => {
  it('tells a socket that answers from one that nobody serves', async () => {
    const path = join(tempDir('admin'), 'admin.sock');
    expect(await probeSocket(path)).toBe('nobody');
    const server = createServer((socket) => socket.destroy());
    cleanup(() => server.close());
    await once(server.listen(path), 'listening');
    expect(await probeSocket(path)).toBe('answers');
  });

  it('finds nobody behind a file, or behind a folder that does not exist', async () => {
    const file = join(tempDir('admin'), 'file');
    writeFileSync(file, '');
    expect(await probeSocket(file)).toBe('nobody');
    expect(await probeSocket(join(file, 'admin.sock'))).toBe('nobody');
    expect(await probeSocket('/nowhere/at/all/admin.sock')).toBe('nobody');
  });
});
