/**
 * The credentials of this user, by gateway: in the keychain where there is one that works, else in a file of mode 0600.
 *
 * A keychain that fails never keeps anybody from signing in: the credential goes into the file and `onNote` hears why. The
 * file is looked at first, since it costs nothing; at any time a credential is in one of the two places only. Safe to use
 * from several processes at once: the last write wins.
 */
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/error.ts';
import { formatCredential, parseCredential, type Credential } from './credential.ts';
import type { Vault } from './vault.ts';

export interface CredentialCacheOptions {
  /** Files of mode 0600. */
  readonly file: Vault;
  /** The keychain, or why there is none. Called when it is first needed. */
  readonly openKeychain: () => Promise<Vault | string>;
  readonly clock: Clock;
  /** Hears a sentence for the user: why a credential is not in the keychain. */
  readonly onNote: (note: string) => void;
}

export class CredentialCache {
  readonly #options: CredentialCacheOptions;
  #keychain: Promise<Vault | string> | undefined;

  constructor(options: CredentialCacheOptions) {
    this.#options = options;
  }

  /**
   * The credential for a gateway, by its origin (`https://auth.example.com`); undefined when nobody has signed in there or
   * the session is over. Rejects with CLI_CREDENTIALS when a file is there that must not be believed.
   */
  async find(gateway: string): Promise<Credential | undefined> {
    const text = (await this.#options.file.read(gateway)) ?? (await this.#fromKeychain(gateway));
    const credential = text === undefined ? undefined : parseCredential(text);
    if (credential?.gateway !== gateway) return undefined;
    return credential.expiresAt > this.#options.clock.wall() ? credential : undefined;
  }

  /** Keeps a credential in place of the gateway's former one. Rejects with CLI_CREDENTIALS. */
  async save(credential: Credential): Promise<void> {
    const { file, onNote } = this.#options;
    const text = formatCredential(credential);
    const keychain = await this.#open();
    if (typeof keychain !== 'string') {
      try {
        await keychain.write(credential.gateway, text);
        await file.remove(credential.gateway);
        return;
      } catch (error) {
        onNote(`${messageOf(error)}; the credential is kept in a file that only you can read`);
      }
    } else {
      onNote(`No keychain: ${keychain}; the credential is kept in a file that only you can read`);
    }
    await file.write(credential.gateway, text);
  }

  /** Forgets the credential for a gateway, wherever it is; false when there was none. */
  async remove(gateway: string): Promise<boolean> {
    const hadFile = await this.#options.file.remove(gateway);
    const keychain = await this.#open();
    const hadEntry =
      typeof keychain !== 'string' && (await keychain.remove(gateway).catch(() => false));
    return hadFile || hadEntry;
  }

  async #fromKeychain(gateway: string): Promise<string | undefined> {
    const keychain = await this.#open();
    if (typeof keychain === 'string') return undefined;
    try {
      return await keychain.read(gateway);
    } catch (error) {
      this.#options.onNote(`${messageOf(error)}; you may have to sign in again`);
      return undefined;
    }
  }

  async #open(): Promise<Vault | string> {
    this.#keychain ??= this.#options.openKeychain();
    return this.#keychain;
  }
}
