/**
 * Commands that carry numbered lines both ways through a process of their own: `access ssh` with numbered-lines.js at the far
 * end, or `access tcp` on standard input and output with an echo there. Each line is checked when it comes back, and so are
 * those that the far end sends of its own accord; at the end both sides say how many there were.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { startProcess, type TestProcess } from '../processes.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { Failure, FailureHow } from './load.ts';
import type { Tally } from './tally.ts';
import { UsersLoad } from './users-load.ts';

export interface LinesLoadOptions {
  readonly kind: 'access ssh' | 'access stdio';
  /** Program, arguments and environment of each user's command. */
  readonly command: readonly [string, readonly string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly random: SeededRandom;
  readonly users: number;
  /** Between two lines of one user, ms. */
  readonly paceMs: number;
  /** How long a command runs, ms, half of it at least; then another one is started. Default: as long as the load. */
  readonly lifeMs?: number | undefined;
}

/** Characters of the longest line. */
const MOST_CHARACTERS = 1_000;
/** How long the first line may take to come back, and the last, ms. */
const PATIENCE_MS = 60_000;

export class LinesLoad extends UsersLoad {
  /** The commands that run now. */
  readonly processes: TestProcess[] = [];
  readonly #options: LinesLoadOptions;

  constructor(options: LinesLoadOptions) {
    super(options.kind, options.users);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    while (!this.isOver) {
      const command = new LineCommand(this.#options, this.tally, user);
      this.processes[user] = command.process;
      this.tally.count('commands');
      const failure = await command.hold(() => this.isOver);
      if (failure === undefined) this.tally.succeeded();
      else this.tally.failed(failure);
    }
  }
}

/** One command, from its start to its exit. */
class LineCommand {
  readonly process: TestProcess;
  readonly #options: LinesLoadOptions;
  readonly #tally: Tally;
  readonly #user: number;
  readonly #connectedAt = performance.now();
  readonly #sent = createHash('sha256');
  readonly #awaited: string[] = [];
  #number = 0;
  #told = 0;
  #said = '';
  /** What the far end said of all lines in the end; an echo says nothing. */
  #summary: string | undefined;
  #fault: { readonly how: FailureHow; readonly detail: string } | undefined;

  constructor(options: LinesLoadOptions, tally: Tally, user: number) {
    this.#options = options;
    this.#tally = tally;
    this.#user = user;
    const [program, args] = options.command;
    this.process = startProcess(program, args, { name: options.kind, env: options.env });
    this.process.output.watch(({ from, text }) => {
      if (from === 'stdout') this.#take(text);
      else this.#hear(text);
    });
  }

  /** Resolves with what went wrong, if anything did. */
  async hold(isOver: () => boolean): Promise<Omit<Failure, 'kind' | 'failedAt'> | undefined> {
    const { exited, stdin } = this.process;
    const { random, lifeMs = Infinity } = this.#options;
    const endsAt = this.#connectedAt + lifeMs * (0.5 + random.next() / 2);
    const isDue = (): boolean => isOver() || performance.now() > endsAt;
    while (this.process.exit === undefined && this.#fault === undefined && !isDue()) {
      this.#send();
      await Promise.race([exited, delay(this.#options.paceMs)]);
    }
    stdin.end();
    const late = setTimeout(() => {
      this.#complain('hung', 'it did not end after its input');
      this.process.kill();
    }, PATIENCE_MS);
    const { code, signal } = await exited.finally(() => clearTimeout(late));
    if (code !== 0) {
      this.#complain('broken', `it ended with ${String(signal ?? code)} and said: ${this.#said}`);
    }
    this.#judgeEnd();
    if (this.#fault === undefined) return undefined;
    return {
      what: `a command whose line ${this.#number} was the last, with ${this.#awaited.length} not back`,
      ...this.#fault,
      isTurnedAway: this.#told === 0 && this.#awaited.length === this.#number,
      connectedAt: this.#connectedAt,
    };
  }

  #send(): void {
    const { random } = this.#options;
    this.#number += 1;
    const filling = 'x'.repeat(random.magnitude(MOST_CHARACTERS));
    const line = `echo ${this.#number} ${random.below(2 ** 32)} ${filling}`;
    this.#sent.update(`${line}\n`);
    this.#awaited.push(line);
    this.process.stdin.write(`${line}\n`);
  }

  /** What is said on stderr is for a person; how the command ends says whether it was bad. */
  #hear(text: string): void {
    this.#said = text;
    this.#tally.count('notices');
  }

  #take(text: string): void {
    this.#tally.moved(this.#user, text.length + 1);
    if (text.startsWith('echo ')) {
      if (text === this.#awaited.shift()) return;
      return this.#complain('wrong', `another line came back: ${text.slice(0, 80)}`);
    }
    if (text.startsWith('end ')) {
      this.#summary = text;
      return;
    }
    this.#told += 1;
    if (text === `told ${this.#told}`) return;
    this.#complain('wrong', `"${text.slice(0, 80)}" came where "told ${this.#told}" should have`);
  }

  #judgeEnd(): void {
    if (this.#awaited.length > 0) {
      this.#complain('broken', `${this.#awaited.length} lines did not come back`);
    }
    if (this.#options.kind === 'access stdio') return;
    const due = `end ${this.#told} ${this.#sent.digest('hex')}`;
    if (this.#summary !== due) {
      this.#complain('wrong', `the far end said "${this.#summary}" and not "${due}"`);
    }
  }

  /** The first complaint is the one to look at. */
  #complain(how: FailureHow, detail: string): void {
    this.#fault ??= { how, detail };
  }
}
