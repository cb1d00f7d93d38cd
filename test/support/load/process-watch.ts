/**
 * All processes of a test, found by a variable in their environment which children inherit: what memory and how many
 * descriptors each kind of them uses, and who is left when nobody should be.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** What a process is, by its command line. */
export type Role =
  'supervisor' | 'worker' | 'connector' | 'access tcp' | 'access ssh' | 'command' | 'other';

export interface SeenProcess {
  readonly pid: number;
  readonly role: Role;
  readonly rssMib: number;
  readonly descriptors: number;
  readonly commandLine: string;
}

const VARIABLE = 'MIXED_LOAD_RUN';

/** In the order in which they are looked for. */
const ROLES: readonly (readonly [RegExp, Role])[] = [
  [/postern\.js gateway worker /, 'worker'],
  [/postern\.js gateway run /, 'supervisor'],
  [/postern\.js tunnel run /, 'connector'],
  [/postern\.js access tcp .*--listen /, 'access tcp'],
  [/postern\.js access (ssh|tcp) /, 'access ssh'],
  [/postern\.js /, 'command'],
];

export class ProcessWatch {
  readonly #mark = randomUUID();

  /** What processes must have in their environment to be seen. */
  get env(): Readonly<Record<string, string>> {
    return { [VARIABLE]: this.#mark };
  }

  /** Those that live now. */
  look(): SeenProcess[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => this.#see(Number(pid)) ?? []);
  }

  #see(pid: number): SeenProcess | undefined {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      if (!environment.includes(`${VARIABLE}=${this.#mark}`)) return undefined;
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const rssKib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      if (rssKib === undefined) return undefined;
      const descriptors = readdirSync(`/proc/${pid}/fd`).length;
      const rssMib = Math.round(Number(rssKib) / 1024);
      return { pid, role: roleOf(commandLine), rssMib, descriptors, commandLine };
    } catch {
      // It has ended meanwhile, or is another user's.
      return undefined;
    }
  }
}

function roleOf(commandLine: string): Role {
  return ROLES.find(([pattern]) => pattern.test(commandLine))?.[1] ?? 'other';
}
