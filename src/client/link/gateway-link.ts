/**
 * The client's one link to its gateway, and all its streams. docs/protocol.md §4 and §6, design.md §6 "The client".
 *
 * Streams outlive the link: it is dialled again for as long as there is anything to carry, and they go on where they were.
 * Only the first dial may fail for good, because then somebody waits at a prompt who can do something about it.
 */
import type { Destination } from '../../config/destination.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { codeOf, isPosternError, PosternError } from '../../core/error.ts';
import { newId, newRequestId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { withResolvers } from '../../core/with-resolvers.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import { FEATURE, type AdmittedMessage } from '../../protocol/message/control-message.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import type { Link } from '../../protocol/link.ts';
import { NOBODY } from '../../protocol/slot.ts';
import { ResumableOpener } from '../../protocol/resumable-opener.ts';
import type { Stream } from '../../protocol/stream.ts';
import type { Log } from '../../telemetry/log.ts';
import { dialChannel } from '../../transport/dial/dial-channel.ts';
import { wasCutOff } from '../../transport/dial/dial-error.ts';
import {
  LinkKeeper,
  sayGoodbye,
  type KeptLink,
  type LinkEnd,
} from '../../transport/dial/link-keeper.ts';
import { registerLink } from '../../transport/dial/register-link.ts';
import { watchNetwork } from '../../transport/watch/network-watch.ts';
import { watchSilence } from '../../transport/watch/silence-watch.ts';
import { watchSleep } from '../../transport/watch/sleep-watch.ts';

/** What streams wait for, and how long the first of them still does. */
export type LinkTrouble = {
  readonly waiting: { readonly count: number; readonly leftMs: number };
} & (
  | { readonly away: 'gateway'; readonly why: PosternError | undefined }
  /** The gateway has no way to the other end. */
  | { readonly away: 'connector'; readonly hostnames: readonly string[] }
);

/** How long the first dial is tried again where the gateway may just be starting, ms. */
const FIRST_DIAL_MS = 5_000;
/** How long a new stream waits for a link that is away, ms. */
const WAIT_FOR_LINK_MS = 15_000;

/** The longest pause between two dials while streams wait, ms: somebody looks at them. */
const URGENT_MS = 500;

/** What another try may mend; everything else is told at once. */
const PASSING: ReadonlySet<string | undefined> = new Set([
  'LINK_REFUSED',
  'LINK_CLOSED',
  'REGISTER_LIMIT',
]);

export interface GatewayLinkOptions {
  /** Origin of the gateway. */
  readonly gateway: string;
  /** PEM text of authorities trusted besides the system's. */
  readonly ca?: string | undefined;
  /** Who the user is, if anybody: a session's secret, or a service token. The gateway has proved whose it is. */
  readonly credential?: string | undefined;
  /** Why its user wants in, for applications that ask. */
  readonly purpose?: string | undefined;
  readonly log: Log;
}

export class GatewayLink {
  /** Names this run of the client. */
  readonly #process = newId();
  readonly #options: GatewayLinkOptions;
  readonly #opener: ResumableOpener;
  readonly #keeper: LinkKeeper;
  readonly #links = new Set<Link>();
  readonly #draining = new Set<Link>();
  #firstError: ((error: PosternError) => void) | undefined;
  #startedAt = 0;
  #watches: readonly Timer[] = [];
  #running: Promise<void> = Promise.resolve();
  #onUp: (() => void)[] = [];
  /** Whether the gateway knows of destinations, as the newest link has it. */
  #takesDestinations = false;
  /** Why there is no link, once there was one. */
  #awayBecause: PosternError | undefined;
  #isStopped = false;

  constructor(options: GatewayLinkOptions) {
    this.#options = options;
    this.#opener = new ResumableOpener({
      clock: systemClock,
      budgets: {
        unacked: new ByteBudget(LIMITS.processUnackedBytes),
        windows: new ByteBudget(LIMITS.processWindowBytes),
      },
      detachedMs: LIMITS.clientDetachedMs,
    });
    this.#keeper = new LinkKeeper({
      index: 0,
      clock: systemClock,
      log: options.log,
      onDialled: (error) => this.#dialled(error),
      dial: async (_attempt, signal) => this.#dial(signal),
      onUp: (kept) => this.#linkUp(kept),
      onDown: () => undefined,
      isUrgent: () => this.#opener.detachedCount > 0,
      urgentMs: URGENT_MS,
      onRefused: (error) => this.#opener.failAll(error),
    });
  }

  /** Dials. Resolves when the gateway has let us in; rejects with the reason why it cannot, or will not. */
  async start(): Promise<void> {
    this.#startedAt = systemClock.now();
    const { promise: failed, reject } = withResolvers<never>();
    this.#firstError = reject;
    this.#watches = [
      watchSleep(systemClock, () => this.dialAgain('the machine slept')),
      watchNetwork(systemClock, (change) => this.#keeper.onNetworkChange(change)),
      watchSilence(systemClock, {
        link: () => this.#keeper.link,
        onSilence: () => this.#keeper.doubt('nothing comes back'),
      }),
    ];
    const up = new Promise<void>((resolve) => this.#onUp.push(resolve));
    this.#running = this.#keeper.run();
    try {
      await Promise.race([up, failed]);
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      this.#firstError = undefined;
    }
  }

  /**
   * Opens a stream to a hostname, or to a destination behind it. Waits for a link that is away; rejects with LINK_CLOSED when it
   * stays away, and with ORIGIN_DESTINATION where the gateway would reach something else.
   */
  async open(hostname: string, destination?: Destination): Promise<Stream> {
    if (!this.#opener.isReachable) await this.#linkBack();
    const { purpose } = this.#options;
    if (destination !== undefined && !this.#takesDestinations) {
      const why = 'the gateway is of a version that knows no destinations';
      throw new PosternError('ORIGIN_DESTINATION', `Cannot reach a destination: ${why}`);
    }
    return this.#opener.open({
      kind: 'tcp',
      hostname,
      rule: '',
      requestId: newRequestId(),
      ...(purpose !== undefined && { purpose }),
      ...(destination !== undefined && { destination }),
    });
  }

  /** What keeps streams from going on now, for whoever waits for them; undefined when nothing does. */
  get trouble(): LinkTrouble | undefined {
    const { streams, leftMs } = this.#opener.lost;
    const waiting = { count: streams.length, leftMs };
    if (this.#links.size === 0) return { away: 'gateway', why: this.#awayBecause, waiting };
    if (streams.length === 0) return undefined;
    const hostnames = [...new Set(streams.map(({ request }) => request.hostname))];
    return { away: 'connector', hostnames, waiting };
  }

  /** Drops a link that is probably dead, and dials at once. Streams continue on the new one. */
  dialAgain(reason: string): void {
    this.#keeper.dialAgain(new PosternError('LINK_CLOSED', `Cannot trust the link: ${reason}`));
  }

  /** Ends every stream and the link. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const watch of this.#watches) watch.cancel();
    this.#keeper.stop();
    this.#opener.failAll(new PosternError('STREAM_CANCELLED', 'Cannot go on: the client stops'));
    for (const link of this.#links) sayGoodbye(link, 'the client stops');
    await this.#running;
  }

  async #dial(signal: AbortSignal): Promise<KeptLink> {
    const { gateway, ca, credential } = this.#options;
    const channel = await dialChannel({ url: gateway, ca, proxy: 'env', signal });
    const { promise: ended, resolve: end } = withResolvers<LinkEnd>();
    const { link, features } = await registerLink<AdmittedMessage>({
      channel,
      clock: systemClock,
      signal,
      process: this.#process,
      register: { type: 'register', role: 'client', ...(credential && { credential }) },
      answer: 'admitted',
      events: {
        onOpen: (slot) => {
          slot.reset('STREAM_REFUSED', 'Cannot open a stream: clients take none');
          return NOBODY;
        },
        onControl: (message) => {
          if (message.type === 'drain') end({ kind: 'drain', message });
        },
        onClose: (error) => {
          this.#forget(link);
          if (error !== undefined) this.#awayBecause = error;
          end({ kind: 'closed', error });
        },
      },
    });
    this.#takesDestinations = features.includes(FEATURE.destinations);
    void ended.then(({ kind }) => {
      if (kind === 'drain' && !link.isClosed) this.#draining.add(link);
    });
    return { link, gateway, ended, localAddress: channel.localAddress };
  }

  #linkUp({ link }: KeptLink): void {
    if (this.#isStopped) {
      sayGoodbye(link, 'the client stops');
      return;
    }
    if (link.isClosed) return;
    this.#links.add(link);
    this.#opener.addLink(link);
    for (const old of this.#draining) void this.#leave(old);
    this.#awayBecause = undefined;
    for (const tell of this.#onUp.splice(0)) tell();
  }

  /** Moves all streams to the newer link, and closes this one once the gateway knows. */
  async #leave(link: Link): Promise<void> {
    this.#draining.delete(link);
    this.#opener.leaveLink(link);
    await link.roundTrip();
    link.close(CLOSE_CODE.done, 'moved');
  }

  #forget(link: Link): void {
    this.#links.delete(link);
    this.#draining.delete(link);
    this.#opener.removeLink(link);
  }

  #dialled(error: unknown): void {
    if (!isPosternError(error)) return;
    this.#awayBecause = error;
    if (this.#firstError === undefined) return;
    const isPassing = PASSING.has(codeOf(error)) || wasCutOff(error);
    if (isPassing && systemClock.now() - this.#startedAt < FIRST_DIAL_MS) return;
    this.#firstError(error);
  }

  async #linkBack(): Promise<void> {
    const { promise, resolve, reject } = withResolvers<void>();
    this.#onUp.push(resolve);
    const timer = systemClock.after(WAIT_FOR_LINK_MS, () => {
      this.#onUp = this.#onUp.filter((other) => other !== resolve);
      const seconds = WAIT_FOR_LINK_MS / 1000;
      const why = `Cannot open a stream: no link to the gateway for ${seconds} s`;
      reject(new PosternError('LINK_CLOSED', why));
    });
    await promise.finally(() => timer.cancel());
  }
}
