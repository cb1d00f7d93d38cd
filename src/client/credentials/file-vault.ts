/**
 * Credentials in files: one each, mode 0600 whatever the umask, in a folder of mode 0700.
 *
 * A file is put in place whole, by a rename: a link or a readable file that somebody left there is replaced, never written
 * through. It is read without following links, and one that others could read or that another user owns is not believed
 * (case L1).
 */
import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { writeFileAtomic } from '../../core/write-file-atomic.ts';
import { openPrivateFolder } from '../client-home.ts';
import { MAX_CREDENTIAL_BYTES } from './credential.ts';
import type { Vault } from './vault.ts';

export class FileVault implements Vault {
  readonly #home: string;
  readonly #folder: string;

  /** Keeps its files below `home`, an absolute path. */
  constructor(home: string) {
    this.#home = home;
    this.#folder = join(home, 'credentials');
  }

  async read(account: string): Promise<string | undefined> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#fileOf(account), constants.O_RDONLY | constants.O_NOFOLLOW);
      await refuseForeign(handle);
      const bytes = Buffer.alloc(MAX_CREDENTIAL_BYTES);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      return bytes.toString('utf8', 0, bytesRead);
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) return undefined;
      throw this.#failed('read', account, cause);
    } finally {
      await handle?.close();
    }
  }

  async write(account: string, text: string): Promise<void> {
    await openPrivateFolder(this.#home);
    await openPrivateFolder(this.#folder);
    try {
      await writeFileAtomic(this.#fileOf(account), text, 0o600);
    } catch (cause) {
      throw this.#failed('write', account, cause);
    }
  }

  async remove(account: string): Promise<boolean> {
    try {
      await rm(this.#fileOf(account));
      return true;
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) return false;
      throw this.#failed('remove', account, cause);
    }
  }

  /** The account's characters that could mean something to a file system are left out. */
  #fileOf(account: string): string {
    return join(this.#folder, `${account.replaceAll(/[^a-z0-9.-]+/g, '_')}.json`);
  }

  #failed(verb: string, account: string, cause: unknown): PosternError {
    const why = hasCode(cause, 'ELOOP') ? 'it is a symbolic link' : messageOf(cause);
    const message = `Cannot ${verb} the credential file "${this.#fileOf(account)}": ${why}`;
    return new PosternError('CLI_CREDENTIALS', message, { cause });
  }
}

/** A file that others may write may hold a credential of theirs, with keys of theirs. */
async function refuseForeign(handle: FileHandle): Promise<void> {
  const status = await handle.stat();
  if (!status.isFile()) throw new Error('it is not a file');
  if (process.platform === 'win32') return;
  if (status.uid !== process.getuid?.()) throw new Error('it belongs to another user');
  if ((status.mode & 0o077) !== 0) {
    throw new Error('other users can read or write it; "postern access login" replaces it');
  }
}
