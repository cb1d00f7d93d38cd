/**
 * A worker's link to its supervisor: asks for sockets, says how far it is, does as it is told. docs/decisions/0020.
 *
 * What the supervisor says before there is somebody to do it waits. When the supervisor is gone, `lost` is said once.
 */
import { systemClock, type Clock, type Timer } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { withResolvers } from '../core/with-resolvers.ts';
import type { ListeningHandle } from './listening-handle.ts';
import { errorMessage, WorkerChannel, type ChannelEnd } from './worker-channel.ts';
import {
  MESSAGE_VERSION,
  type Ready,
  type SupervisorCall,
  type SupervisorMessage,
  type Welcome,
  type WorkerMessage,
} from './worker-message.ts';
import type { SocketRequest } from './held-sockets.ts';

/** What a supervisor wants done. */
export interface SupervisorOrders {
  /** Answers administrators from now on. */
  active(): void;
  drain(reason: string, hasSuccessor: boolean): void;
  resume(): void;
  /** Lets go of everything and ends. */
  end(): void;
  /** The supervisor is gone, and nobody will give another order. */
  lost(): void;
  /** What it does now. */
  status(): object;
}

export class SupervisorLink {
  readonly #channel: WorkerChannel<SupervisorMessage, WorkerMessage>;
  readonly #clock: Clock;
  readonly #welcome = withResolvers<Welcome>();
  readonly #waiting: ((orders: SupervisorOrders) => void)[] = [];
  #orders: SupervisorOrders | undefined;
  #beat: Timer | undefined;

  private constructor(end: ChannelEnd, clock: Clock) {
    this.#clock = clock;
    this.#channel = new WorkerChannel<SupervisorMessage, WorkerMessage>(end, {
      onMessage: (message) => this.#received(message),
      onClosed: () => this.#lost(),
    });
  }

  /** Says hello. CLI_USAGE when this process was not started by a supervisor, CLI_FAILED when by one that is too old. */
  static async connect(
    end: ChannelEnd = process,
    clock: Clock = systemClock,
  ): Promise<{ readonly link: SupervisorLink; readonly welcome: Welcome }> {
    if (!end.connected) {
      const why = 'only "gateway run" starts it, which runs the gateway';
      throw new PosternError('CLI_USAGE', `Cannot run a worker: ${why}`);
    }
    const link = new SupervisorLink(end, clock);
    link.#channel.send({ type: 'hello' });
    link.#beatOn();
    const welcome = await link.#welcome.promise;
    if (welcome.version >= MESSAGE_VERSION) return { link, welcome };
    const remedy = 'restart the gateway; a reload is not enough for this upgrade';
    throw new PosternError(
      'CLI_FAILED',
      `Cannot run a worker: its supervisor is too old; ${remedy}`,
    );
  }

  /** From now on orders are carried out, those that came already first. */
  obey(orders: SupervisorOrders): void {
    this.#orders = orders;
    for (const order of this.#waiting.splice(0)) order(orders);
  }

  /** The listening socket that the supervisor holds for us. Rejects with the system's error, such as EADDRINUSE. */
  async openSocket(request: SocketRequest): Promise<ListeningHandle> {
    const { handle } = await this.#channel.call((id) => ({ type: 'socket', id, ...request }));
    if (handle === undefined) throw new PosternError('CLI_FAILED', 'Cannot listen: no socket came');
    return handle;
  }

  /**
   * Asks for something on behalf of an administrator, or of the worker itself, which then says why. Rejects with what the supervisor
   * says.
   */
  async call(call: SupervisorCall, ownReason?: string): Promise<unknown> {
    const own = ownReason === undefined ? {} : { ownReason };
    return (await this.#channel.call((id) => ({ type: 'call', id, call, ...own }))).result;
  }

  ready(how: Omit<Ready, 'type'>): void {
    this.#channel.send({ type: 'ready', ...how });
  }

  /** Another configuration is in force now. */
  configChanged(configText: string): void {
    this.#channel.send({ type: 'config', configText });
  }

  /** It cannot start. Resolves when that is told. */
  async failed(error: unknown): Promise<void> {
    await this.#channel.sendAndFlush({ type: 'failed', ...errorMessage(error) });
  }

  /** It listens again. */
  resumed(): void {
    this.#channel.send({ type: 'resumed' });
  }

  /** Nothing is left to do. */
  drained(cut: number): void {
    this.#channel.send({ type: 'drained', cut });
  }

  #received(message: SupervisorMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#welcome.resolve(message);
        break;
      case 'active':
        this.#do((orders) => orders.active());
        break;
      case 'drain':
        this.#do((orders) => orders.drain(message.reason, message.hasSuccessor));
        break;
      case 'resume':
        this.#do((orders) => orders.resume());
        break;
      case 'end':
        this.#do((orders) => orders.end());
        break;
      case 'call':
        this.#do((orders) => {
          this.#channel.send({ type: 'answer', id: message.id, result: orders.status() });
        });
        break;
      default:
    }
  }

  #do(order: (orders: SupervisorOrders) => void): void {
    if (this.#orders === undefined) this.#waiting.push(order);
    else order(this.#orders);
  }

  #lost(): void {
    this.#beat?.cancel();
    this.#do((orders) => orders.lost());
  }

  #beatOn(): void {
    this.#beat = this.#clock.after(LIMITS.workerBeatMs, () => {
      this.#channel.send({ type: 'beat' });
      this.#beatOn();
    });
  }
}
