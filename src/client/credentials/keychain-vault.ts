/**
 * Credentials in the keychain of the operating system, through `keytar`: Keychain on macOS, Credential Manager on Windows,
 * the Secret Service (GNOME Keyring, KWallet) on Linux. The only file that knows the package.
 *
 * The package is native and optional, so it is loaded when it is first needed, and its absence is an answer. A keychain that
 * waits for somebody to unlock it is given up after a while. docs/decisions/0016.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type keytar from 'keytar';
import { messageOf, PosternError } from '../../core/error.ts';
import type { Vault } from './vault.ts';

/** The name under which the keychain shows our entries. */
const KEYCHAIN_NAME = 'postern';

/** How long the keychain may take, ms. Somebody may have to type its password. */
const ANSWER_MS = 60_000;

type Keytar = typeof keytar;

/**
 * The keychain, or why there is none: the package cannot be loaded, or nothing provides one here. `env` tells of the session
 * bus on Linux; without one, asking for a keychain would start things that nobody sees.
 */
export async function openKeychain(env: NodeJS.ProcessEnv): Promise<Vault | string> {
  if (env['POSTERN_KEYCHAIN'] === 'off') return 'POSTERN_KEYCHAIN is off';
  if (process.platform === 'linux' && !hasSessionBus(env)) {
    return 'this session has no D-Bus, by which a keychain is reached';
  }
  try {
    const { default: loaded } = await import('keytar');
    return new KeychainVault(loaded);
  } catch (cause) {
    return `the package "keytar" cannot be loaded (${firstLine(cause)})`;
  }
}

function hasSessionBus(env: NodeJS.ProcessEnv): boolean {
  const runtime = env['XDG_RUNTIME_DIR'] ?? '';
  return (
    (env['DBUS_SESSION_BUS_ADDRESS'] ?? '') !== '' ||
    (runtime !== '' && existsSync(join(runtime, 'bus')))
  );
}

class KeychainVault implements Vault {
  readonly #keytar: Keytar;

  constructor(keytar: Keytar) {
    this.#keytar = keytar;
  }

  async read(account: string): Promise<string | undefined> {
    return (await ask('read', this.#keytar.getPassword(KEYCHAIN_NAME, account))) ?? undefined;
  }

  async write(account: string, text: string): Promise<void> {
    await ask('write to', this.#keytar.setPassword(KEYCHAIN_NAME, account, text));
  }

  async remove(account: string): Promise<boolean> {
    return ask('remove from', this.#keytar.deletePassword(KEYCHAIN_NAME, account));
  }
}

async function ask<T>(verb: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } catch (cause) {
    const message = `Cannot ${verb} the keychain: ${firstLine(cause)}`;
    throw new PosternError('CLI_CREDENTIALS', message, { cause });
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(cause: unknown): string {
  return messageOf(cause).split('\n')[0] ?? '';
}
