/**
 * Names that resolve as a test says, for one process: a mount namespace with its own `/etc/hosts` and `/etc/resolv.conf`.
 *
 * No query leaves the machine: the only name server is an address of this host on which nobody answers. What is known
 * can be changed while the process runs, as when an administrator mends DNS.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { tempDir } from './temp-dir.ts';
import { toolPath } from './tools.ts';

/** Loopback, and not the address that name servers of a machine itself use. */
const NOBODY = '127.99.99.99';

export class OwnResolver {
  readonly #dir = tempDir('resolver');

  constructor() {
    this.know({});
    this.#write('resolv.conf', `nameserver ${NOBODY}\noptions timeout:1 attempts:1\n`);
    this.#write('nsswitch.conf', 'hosts: files dns\n');
  }

  /** Replaces what is known: addresses by name, one or several. Other names are asked for in vain. */
  know(addresses: Readonly<Record<string, string | readonly string[]>>): void {
    const lines = Object.entries(addresses).flatMap(([name, known]) =>
      [known].flat().map((address) => `${address} ${name}\n`),
    );
    this.#write('hosts', `127.0.0.1 localhost\n${lines.join('')}`);
  }

  /** The words that run a program with these names, to be put in front of its own. It keeps its process id. */
  get inside(): string[] {
    const mounts = ['hosts', 'resolv.conf', 'nsswitch.conf'].map(
      (file) => `mount --bind '${join(this.#dir, file)}' '/etc/${file}'`,
    );
    const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    const script = `${mounts.join(' && ')} && exec "$@"`;
    return [toolPath('unshare'), ...asRoot, '--mount', '--', 'sh', '-c', script, 'sh'];
  }

  /** Written in place: a bind mount shows the file that it was made of, not the one of that name. */
  #write(file: string, text: string): void {
    writeFileSync(join(this.#dir, file), text);
  }
}
