/**
 * A key and its certificate on disk for as long as one ssh runs: in a folder that only this user can open, in memory where
 * the system has a place for that (`XDG_RUNTIME_DIR`).
 *
 * ssh takes private keys from files or from an agent. An agent of ours would take the place of the user's own, and agent
 * forwarding would forward ours. docs/decisions/0017.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, PosternError } from '../../core/error.ts';
import type { ClientKey } from './client-key.ts';

export interface TemporaryKey {
  /** The private key; the certificate is `<file>-cert.pub`. */
  readonly file: string;
  /** Removes both. Safe to call twice. */
  readonly remove: () => void;
}

/** Writes them. They are removed when the process ends, if not before. CLI_FAILED. */
export function writeTemporaryKey(
  key: ClientKey,
  certificate: string,
  env: NodeJS.ProcessEnv,
): TemporaryKey {
  let folder: string;
  try {
    folder = mkdtempSync(join(parentFolder(env), 'postern-ssh-'));
  } catch (cause) {
    const message = `Cannot keep a key for ssh: ${messageOf(cause)}`;
    throw new PosternError('CLI_FAILED', message, { cause });
  }
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', remove);
  const file = join(folder, 'key');
  writeFileSync(file, key.privateText, { mode: 0o600, flag: 'wx' });
  writeFileSync(`${file}-cert.pub`, `${certificate}\n`, { mode: 0o600, flag: 'wx' });
  return { file, remove };
}

function parentFolder(env: NodeJS.ProcessEnv): string {
  const runtime = env['XDG_RUNTIME_DIR'] ?? '';
  try {
    if (runtime.startsWith('/') && statSync(runtime).uid === process.getuid?.()) return runtime;
  } catch {
    // It is named and not there, as after `su`.
  }
  return tmpdir();
}
