/**
 * Keeps one link to a gateway alive: dials, registers, waits until it ends, and dials again, until it is stopped.
 * See design "Connector" and docs/protocol.md §8.
 *
 * It never gives up, whatever the failure: DNS and the network may be down at boot, a tunnel may be created later. What
 * differs is the pace: a refused token is tried slowly, everything else with full jitter from 50 ms to 30 s. Whoever wants to
 * give up calls stop().
 */
import { Backoff } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { isPosternError, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { DrainMessage } from '../../protocol/message/control-message.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import type { Link } from '../../protocol/link.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { plainAddress, type NetworkChange } from '../watch/network-watch.ts';

/**
 * A link that was up for as long as it had been away before proves that the gateway is well, and the next dial may be
 * quick: a path that breaks all the time is used at least half of it. Within these bounds, ms, so that a gateway that
 * drops every link at once is spared, and a long outage is forgotten.
 */
const PROVEN_MS = { least: 250, most: 5_000 };
/** The longest wait while streams are detached, ms, by default: their users see them stand still, and they do not live long. */
const URGENT_MS = 2_000;
/** Pace of dialling with a token that was refused, ms. */
const REFUSED_BACKOFF = { baseMs: 5_000, maxMs: 300_000 };

/** The longest that a gateway which drains may keep us away, ms. */
const MAX_DIAL_AGAIN_MS = 30_000;

/** A registered link, and how it will have ended. */
export interface KeptLink {
  readonly link: Link;
  readonly gateway: string;
  /** Our address under it. */
  readonly localAddress?: string | undefined;
  /** Resolves when the link closed (`error` says why) or when it drains and another must be dialled. */
  readonly ended: Promise<LinkEnd>;
}

export type LinkEnd =
  | { readonly kind: 'closed'; readonly error: PosternError | undefined }
  | { readonly kind: 'drain'; readonly message: DrainMessage };

export interface LinkKeeperOptions {
  readonly index: number;
  readonly clock: Clock;
  readonly log: Log;
  /** A dial ended: with an error, or in a link. */
  onDialled(error?: unknown): void;
  /** Dials the gateway that is next in turn and registers. */
  dial(attempt: number, signal: AbortSignal): Promise<KeptLink>;
  /** A link was registered. */
  onUp(kept: KeptLink): void;
  /** A link is gone, or about to go. */
  onDown(kept: KeptLink): void;
  /** Whether streams wait for a link. */
  isUrgent(): boolean;
  /** The longest wait while they do, ms. Default 2_000. */
  readonly urgentMs?: number;
  /** The gateway refuses the token, at the door or on a link that was up. */
  onRefused(error: PosternError): void;
}

export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  readonly #backoff = new Backoff();
  readonly #refusedBackoff = new Backoff(REFUSED_BACKOFF);
  readonly #stop = new AbortController();
  #hurry: (() => void) | undefined;
  #current: KeptLink | undefined;
  /** The dial that is under way. */
  #dial: { readonly abort: AbortController; readonly since: number } | undefined;
  #isInDoubt = false;
  #attempt = 0;
  /** Since when there has been no link. */
  #awaySince: number;

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
    this.#awaySince = options.clock.now();
  }

  get link(): Link | undefined {
    return this.#current?.link;
  }

  /** Runs until stop(). Never rejects. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = await this.#keepOne();
      if (waitMs > 0) await this.#wait(waitMs);
    }
  }

  /** Dials no more. What is up stays up. */
  stop(): void {
    this.#stop.abort();
    this.#dial?.abort.abort();
    this.#hurry?.();
  }

  /** What is up, or under way, is probably dead, and waiting makes no sense: the machine slept for example. */
  dialAgain(error: PosternError): void {
    this.#backoff.reset();
    this.#current?.link.terminate(error);
    const { clock } = this.#options;
    // One that has just begun was not under way when whatever happened did.
    if (this.#dial !== undefined && clock.now() - this.#dial.since > LIMITS.doubtMs) {
      this.#dial.abort.abort(error);
    }
    this.#hurry?.();
  }

  /** This machine's addresses changed. A link from one that is gone is dead, and any other is asked whether it is. */
  onNetworkChange({ gone }: NetworkChange): void {
    const kept = this.#current;
    const address = kept?.localAddress;
    if (kept !== undefined && (address === undefined || !gone.has(plainAddress(address)))) {
      this.doubt('the network of this machine changed');
      return;
    }
    const why = 'the address of this machine that it used is gone';
    this.dialAgain(new PosternError('LINK_CLOSED', `Cannot go on with the link: ${why}`));
  }

  /** Asks the other side for a sign of life, and drops the link when there is none within `doubtMs`. `why` completes "because …". */
  doubt(why: string): void {
    const kept = this.#current;
    if (kept === undefined || this.#isInDoubt) return;
    this.#isInDoubt = true;
    const { link } = kept;
    let hasAnswered = false;
    void link.roundTrip().then(() => (hasAnswered = true));
    // A satellite is not dead because it is far.
    const withinMs = Math.max(LIMITS.doubtMs, 3 * link.roundTripMs);
    this.#options.clock.after(withinMs, () => {
      this.#isInDoubt = false;
      // Whatever arrived since will do: behind much data the answer may be late.
      if (this.#current !== kept || hasAnswered || link.silentMs < withinMs) return;
      const text = `Cannot trust the link: no answer within ${Math.round(withinMs)} ms, asked because ${why}`;
      this.dialAgain(new PosternError('LINK_DEAD', text));
    });
  }

  /** Dials, and stays with the link until it ends. Returns how long to wait before the next one, ms. */
  async #keepOne(): Promise<number> {
    const { clock } = this.#options;
    let kept: KeptLink;
    const abort = new AbortController();
    this.#dial = { abort, since: clock.now() };
    try {
      kept = await this.#options.dial(this.#attempt++, abort.signal);
    } catch (error) {
      return this.#dialFailed(error);
    } finally {
      this.#dial = undefined;
    }
    this.#options.onDialled();
    this.#refusedBackoff.reset();
    const since = clock.now();
    const awayMs = since - this.#awaySince;
    this.#current = kept;
    this.#options.onUp(kept);
    const end = await kept.ended;
    this.#current = undefined;
    this.#awaySince = clock.now();
    this.#options.onDown(kept);
    const provenMs = Math.min(Math.max(awayMs, PROVEN_MS.least), PROVEN_MS.most);
    const isProven = this.#awaySince - since >= provenMs;
    if (isProven) this.#backoff.reset();
    return this.#linkEnded(kept, end, isProven);
  }

  #dialFailed(error: unknown): number {
    const { log, index } = this.#options;
    if (this.#stop.signal.aborted) return 0;
    this.#options.onDialled(error);
    const isRefused = isRefusal(error);
    if (isRefused) this.#options.onRefused(error);
    const backoff = isRefused ? this.#refusedBackoff : this.#backoff;
    // At least half the ceiling for a refused token: full jitter could ask again at once.
    const waitMs = isRefused ? REFUSED_BACKOFF.baseMs + backoff.next() : this.#nextWaitMs();
    const fields = { [FIELD.err]: error, [FIELD.link]: index, [FIELD.waitMs]: waitMs };
    log.warn(
      { ...fields, [FIELD.attempt]: backoff.attempt },
      isRefused ? 'the gateway refuses the token' : 'cannot connect to the gateway',
    );
    return waitMs;
  }

  #linkEnded(kept: KeptLink, end: LinkEnd, isProven: boolean): number {
    const { log, index } = this.#options;
    const fields = { [FIELD.link]: index, [FIELD.gateway]: kept.gateway };
    if (end.kind === 'drain') {
      // Asked for no pause, again and again, we would dial without end.
      const leastMs = isProven ? 0 : this.#nextWaitMs();
      const withinMs = Math.min(end.message.dialAgainMs, MAX_DIAL_AGAIN_MS);
      const waitMs = Math.max(leastMs, Math.round(Math.random() * withinMs));
      const { reason } = end.message;
      log.info(
        { ...fields, [FIELD.reason]: reason, [FIELD.waitMs]: waitMs },
        'the gateway drains the link',
      );
      return waitMs;
    }
    if (this.#stop.signal.aborted) return 0;
    if (isRefusal(end.error)) this.#options.onRefused(end.error);
    const waitMs = this.#nextWaitMs();
    log.warn({ ...fields, [FIELD.err]: end.error, [FIELD.waitMs]: waitMs }, 'link lost');
    return waitMs;
  }

  #nextWaitMs(): number {
    const { urgentMs = URGENT_MS } = this.#options;
    const waitMs = this.#backoff.next();
    if (waitMs <= urgentMs || !this.#options.isUrgent()) return waitMs;
    return Math.round(Math.random() * urgentMs);
  }

  async #wait(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }
}

function isRefusal(error: unknown): error is PosternError {
  return (
    isPosternError(error) && (error.code === 'REGISTER_REFUSED' || error.code === 'ACCESS_SIGN_IN')
  );
}

/** Closes a link of a process that goes away. */
export function sayGoodbye(link: Link, reason: string): void {
  link.close(CLOSE_CODE.goingAway, reason);
}
