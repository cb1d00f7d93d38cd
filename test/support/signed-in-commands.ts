/** `postern access` commands as people run them, with a browser in which somebody is signed in. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { posternCommand, posternEnv, run, type RunResult } from './run.ts';
import { tempDir } from './temp-dir.ts';

const BROWSER = join(import.meta.dirname, 'fake-browser.js');

export interface CommandsOptions {
  /** Of the gateway, at 127.0.0.1. */
  readonly port: number;
  readonly caFile: string;
  /** The Cookie field of the browser. */
  readonly cookie: string;
}

export class SignedInCommands {
  readonly home = tempDir('home');
  readonly #log = join(tempDir('browser'), 'log');
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
    writeFileSync(this.#log, '');
  }

  /** Addresses that the browser was opened with, and how each visit ended. */
  get visits(): string[] {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n');
  }

  /** The environment of every command. */
  get env(): Record<string, string | undefined> {
    const { port, caFile, cookie } = this.#options;
    return posternEnv({
      POSTERN_GATEWAY: `https://127.0.0.1:${port}`,
      POSTERN_CA: caFile,
      POSTERN_HOME: this.home,
      POSTERN_KEYCHAIN: 'off',
      BROWSER,
      FAKE_BROWSER: JSON.stringify({ port, ca: caFile, cookie, log: this.#log }),
    });
  }

  /** Runs `postern access …` to its end. */
  async access(
    words: readonly string[],
    env: Readonly<Record<string, string | undefined>> = {},
  ): Promise<RunResult> {
    const [command, args] = posternCommand('access', ...words);
    return run(command, args, { env: { ...this.env, ...env } });
  }
}
