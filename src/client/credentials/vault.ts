/** Where texts are kept that only their user may read: the keychain of the system, or files. */
export interface Vault {
  /** What `account` has; undefined when there is nothing. Rejects with CLI_CREDENTIALS. */
  read(account: string): Promise<string | undefined>;
  /** Keeps it in place of what was there. Rejects with CLI_CREDENTIALS. */
  write(account: string, text: string): Promise<void>;
  /** Forgets it; false when there was nothing. Rejects with CLI_CREDENTIALS. */
  remove(account: string): Promise<boolean>;
}
