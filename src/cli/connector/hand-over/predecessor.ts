/**
 * The process that started this connector to be taken over by it, and then to be its parent. docs/decisions/0022.
 *
 * Gives orders and is told how things stand. Where it goes away, there is nobody left who would end this process: it then drains,
 * unless it was made the main process of a service.
 */
import { PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { readError, writeError } from '../../../core/written-error.ts';
import { sendHandle, type ListeningHandle } from '../../../supervisor/listening-handle.ts';
import { EXIT } from '../../exit-code.ts';
import {
  parsePredecessorMessage,
  type ConnectorRunInfo,
  type PredecessorMessage,
  type ReloadOutcome,
  type SuccessorMessage,
} from './hand-over-message.ts';
import { SUCCESSOR_MARK } from './successor.ts';

/** What it wants of us. */
export interface PredecessorOrders {
  onReplaced(): void;
  onDrain(): void;
  onStop(): void;
  onMain(draining: readonly string[]): void;
  /** Our metrics listener, when it is for this address. */
  lend(address: string): ListeningHandle | undefined;
  /** It is gone, and nobody gives orders any more. */
  onGone(): void;
}

export class Predecessor {
  #orders: PredecessorOrders | undefined;
  #isMain = false;
  #onListener: ((handle: ListeningHandle | undefined) => void) | undefined;
  /** Those who wait for a reload to end. */
  #reloads: { resolve(outcome: ReloadOutcome): void; reject(error: PosternError): void }[] = [];
  readonly #onMessage = (value: unknown, handle: unknown): void => {
    const message = parsePredecessorMessage(value);
    if (message !== undefined) this.#understood(message, handle);
  };
  readonly #onDisconnect = (): void => {
    for (const waiting of this.#reloads.splice(0)) waiting.reject(goneError());
    if (this.#isMain) return;
    if (this.#orders === undefined) endAtOnce();
    else this.#orders.onGone();
  };

  private constructor() {
    process.on('message', this.#onMessage);
    process.on('disconnect', this.#onDisconnect);
  }

  /** The process that started this one as its successor; undefined for one that somebody else started. */
  static find(): Predecessor | undefined {
    const isSuccessor = process.env[SUCCESSOR_MARK] !== undefined;
    delete process.env[SUCCESSOR_MARK];
    return isSuccessor && process.send !== undefined ? new Predecessor() : undefined;
  }

  /** Whether it still gives orders. */
  get isParent(): boolean {
    return !this.#isMain && process.connected;
  }

  /** Takes orders from now on. Before that, every one of them ends this process: it has nothing yet. */
  obey(orders: PredecessorOrders): void {
    this.#orders = orders;
    if (!process.connected) this.#onDisconnect();
  }

  /** The metrics listener for an address, as the configuration writes it; undefined when it has none. */
  async listener(address: string): Promise<ListeningHandle | undefined> {
    return new Promise((resolve) => {
      this.#onListener = resolve;
      this.#send({ type: 'listener', address });
      setTimeout(resolve, LIMITS.handOverAnswerMs, undefined).unref();
    });
  }

  linked(): void {
    this.#send({ type: 'linked' });
  }

  registered(run: ConnectorRunInfo): void {
    this.#send({ type: 'registered', run });
  }

  /** Something is wrong that may be better in a moment. */
  trouble(error: unknown): void {
    this.#send({ type: 'trouble', ...writeError(error) });
  }

  /** This process will not take over. Resolves once that is said. */
  async failed(error: unknown): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!process.connected) resolve();
      const message: SuccessorMessage = { type: 'failed', ...writeError(error) };
      process.send?.(message, undefined, undefined, () => resolve());
    });
  }

  succeeded(): void {
    this.#send({ type: 'succeeded' });
  }

  /** Has it reload the connector, because that is its task. Rejects with the successor's error. */
  async reload(): Promise<ReloadOutcome> {
    if (!process.connected) throw goneError();
    return new Promise((resolve, reject) => {
      this.#reloads.push({ resolve, reject });
      this.#send({ type: 'reload' });
    });
  }

  /** Talks no more, so that the channel does not keep this process. */
  release(): void {
    process.off('message', this.#onMessage);
    process.off('disconnect', this.#onDisconnect);
    if (process.connected) process.disconnect();
  }

  #understood(message: PredecessorMessage, handle: unknown): void {
    switch (message.type) {
      case 'listener':
        // What comes with it is what the module that sent it calls a handle.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        this.#onListener?.(message.isThere ? (handle as ListeningHandle | undefined) : undefined);
        return;
      case 'reloaded':
        this.#reloads.shift()?.resolve(message.outcome);
        return;
      case 'not-reloaded':
        this.#reloads.shift()?.reject(readError(message));
        return;
      default:
        this.#obey(message);
    }
  }

  #obey(message: PredecessorMessage): void {
    const orders = this.#orders;
    if (orders === undefined) {
      endAtOnce();
      return;
    }
    switch (message.type) {
      case 'lend':
        this.#lend(orders.lend(message.address));
        return;
      case 'replaced':
        orders.onReplaced();
        return;
      case 'drain':
        orders.onDrain();
        return;
      case 'stop':
        orders.onStop();
        return;
      case 'main':
        this.#isMain = true;
        process.channel?.unref();
        orders.onMain(message.draining);
        return;
      default:
    }
  }

  #lend(handle: ListeningHandle | undefined): void {
    const message: SuccessorMessage = { type: 'lent', isThere: handle !== undefined };
    const send = process.send?.bind(process);
    if (handle === undefined || send === undefined) this.#send(message);
    else sendHandle({ send }, message, handle, () => undefined);
  }

  #send(message: SuccessorMessage): void {
    // Once it is gone there is nobody to tell, which #onDisconnect knows.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  }
}

function endAtOnce(): void {
  process.exit(EXIT.failed);
}

function goneError(): PosternError {
  return new PosternError('CLI_FAILED', 'Cannot reload: the connector is on its way out');
}
