/** A private directory under the system's temporary one, removed with all in it by the clean-up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { cleanup } from './cleanup.ts';

/** Makes the directory, mode 0700. Names stay short: the path of a Unix socket in it has room for about 70 more bytes. */
export function tempDir(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `postern-${name}-`));
  cleanup(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}
