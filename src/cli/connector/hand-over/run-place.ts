/**
 * What a run of a connector has in the runtime folder: its control socket and its record, and those of dead runs before it.
 *
 * A connector runs without where there is no folder: it can then be reloaded with SIGHUP, and dead runs are not made known.
 */
import { isPosternError, messageOf, PosternError } from '../../../core/error.ts';
import { FIELD } from '../../../telemetry/log-field.ts';
import type { Log } from '../../../telemetry/log.ts';
import { startControlServer, type ControlHandler, type ControlServer } from './control-server.ts';
import {
  controlSocketOf,
  findDeadRuns,
  forgetRun,
  removeDeadRuns,
  writeRunRecord,
  type DeadRun,
} from './run-record.ts';
import { openRuntimeFolder } from './runtime-folder.ts';

export class RunPlace {
  readonly #folder: string;
  readonly #log: Log;
  readonly #tunnelId: string;
  #dead: readonly DeadRun[] = [];
  #server: ControlServer | undefined;
  #replica = '';

  private constructor(folder: string, log: Log, tunnelId: string) {
    this.#folder = folder;
    this.#log = log;
    this.#tunnelId = tunnelId;
  }

  /** Finds the folder, and in it the dead runs of the tunnel. Undefined, and said in the log, when there is none. */
  static async open(log: Log, tunnelId: string): Promise<RunPlace | undefined> {
    try {
      const place = new RunPlace(await openRuntimeFolder(), log, tunnelId);
      place.#dead = await findDeadRuns(place.#folder, tunnelId);
      return place;
    } catch (error) {
      cannot(log, 'find a place for the control socket', error);
      return undefined;
    }
  }

  /** The dead runs that this one comes after, by their ids at the gateway. */
  get replaces(): string[] {
    return this.#dead.map(({ replica }) => replica);
  }

  /** Where this run listens; undefined when it does not. */
  get socketPath(): string | undefined {
    return this.#server && controlSocketOf(this.#folder, this.#replica);
  }

  /** Opens the control socket, then leaves the record: whoever finds that finds somebody who listens. */
  async enter(replica: string, handle: ControlHandler): Promise<void> {
    this.#replica = replica;
    try {
      this.#server = await startControlServer(controlSocketOf(this.#folder, replica), handle);
      await writeRunRecord(this.#folder, { replica, tunnelId: this.#tunnelId });
    } catch (error) {
      cannot(this.#log, 'open the control socket', error);
    }
  }

  /** The gateway knows which runs are dead. */
  async forgetDead(): Promise<void> {
    const dead = this.#dead;
    this.#dead = [];
    await removeDeadRuns(dead).catch((error: unknown) => {
      cannot(this.#log, 'remove what dead runs left', error);
    });
  }

  /** The run has ended in order; its socket is still there for who took over. */
  async forget(): Promise<void> {
    await forgetRun(this.#folder, this.#replica).catch((error: unknown) => {
      cannot(this.#log, 'forget this run', error);
    });
  }

  async close(): Promise<void> {
    await this.forget();
    await this.#server?.close();
  }
}

function cannot(log: Log, what: string, error: unknown): void {
  const cause = isPosternError(error)
    ? error
    : new PosternError('CLI_FAILED', `Cannot ${what}: ${messageOf(error)}`, { cause: error });
  log.warn({ [FIELD.err]: cause }, `cannot ${what}; "tunnel reload" will not find this connector`);
}
