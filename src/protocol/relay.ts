/**
 * A stream between two links: forwards its frames from an id on one to an id on the other. See docs/protocol.md §11.
 *
 * The near end is the initiator's, the far end the acceptor's. A relay changes ids and nothing else, holds nothing that an
 * endpoint would miss, and ends neither: when one of its links breaks it tells the other end that the way is gone, and
 * forgets the stream. Who may open one, and where it leads, was decided before.
 */
import type { ByteBudget } from './byte-budget.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import {
  MAX_RELAY_MS,
  parseAccept,
  type AcceptInfo,
  type OpenMessage,
} from './message/stream-opening.ts';
import type { StreamRequest } from './message/stream-request.ts';
import type { OutgoingFrame } from './frame-channel.ts';
import type { StreamFrame } from './frame.ts';
import type { Link } from './link.ts';
import type { Slot, StreamHolder } from './slot.ts';
import { RelayLane } from './relay-lane.ts';
import type { ResetCode } from './reset-code.ts';

/** How the part that a relay had in a stream ended. */
export type RelayEnd =
  /** Both directions finished. */
  | { readonly kind: 'finished' }
  /** A link broke, or the stream moved to another: it may come back. */
  | { readonly kind: 'detached' }
  | { readonly kind: 'reset'; readonly error: PosternError };

export interface RelayOptions {
  /** The initiator's id. */
  readonly near: Slot;
  readonly message: OpenMessage;
  /** What the acceptor is asked for. */
  readonly request: StreamRequest;
  /** What the initiator is told beside what the acceptor says: where that is, so that it is led there again, and how long. */
  readonly told: Pick<AcceptInfo, 'replica' | 'detachedMs' | 'endsMs'>;
  /** What waits in all relays of the process. */
  readonly budget: ByteBudget;
  /** The acceptor has answered: the stream goes on here, and no longer where it was before. */
  onAccepted?(): void;
  /** Exactly once. */
  onEnd(end: RelayEnd): void;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #near: End;
  readonly #far: End;
  /** From the initiator to the acceptor, and back. */
  readonly #out: RelayLane;
  readonly #back: RelayLane;
  #hasEnded = false;
  #isSynced = false;

  /** Holds the near slot from now on; start() opens the far one. */
  constructor(options: RelayOptions) {
    this.#options = options;
    const { message, near, budget } = options;
    const early = {
      received: 0,
      consumed: 0,
      window: message.epoch === 0 ? LIMITS.earlyDataBytes : 0,
    };
    this.#out = new RelayLane(budget, early);
    this.#back = new RelayLane(budget, message.position);
    this.#near = new End(this, this.#out, this.#back);
    this.#far = new End(this, this.#back, this.#out);
    this.#near.slot = near;
    near.holder = this.#near;
  }

  /** Opens the acceptor's id on `link`, which takes one now. The relay may end in it. */
  start(link: Link): void {
    const { message, near, request } = this.#options;
    const relayMs = behind(message.relayMs, near.link);
    const slot = link.open(this.#far, { ...message, request, relayMs });
    this.#far.slot = slot;
    // Sending can be what ends a link, and then its holders were told before we had the slot.
    if (link.isClosed) this.onLinkClosed(this.#far);
  }

  /** Who holds the initiator's id. */
  get holder(): StreamHolder {
    return this.#near;
  }

  /** Bytes of the stream so far, from the initiator and to it, as far as this relay knows. */
  get bytes(): { readonly sent: number; readonly received: number } {
    return { sent: this.#out.bytes, received: this.#back.bytes };
  }

  /** Ends the stream at both endpoints. */
  reset(code: ResetCode, reason: string): void {
    this.#near.slot?.reset(code, reason);
    this.#far.slot?.reset(code, reason);
    this.#end({ kind: 'reset', error: new PosternError(code, reason) });
  }

  /** For the ends: a frame arrived. Throws PROTO_*, which ends the link it came on. */
  onFrame(end: End, frame: StreamFrame): void {
    if (this.#hasEnded) return;
    const other = this.#otherOf(end);
    switch (frame.type) {
      case 'DATA':
        this.#expectSynced(end, 'DATA');
        if (end.incoming.onData(frame.offset, frame.data)) other.slot?.ready();
        else this.#cut();
        return;
      case 'FIN':
        this.#expectSynced(end, 'FIN');
        end.incoming.onFin(frame.offset);
        other.slot?.ready();
        return;
      case 'ACK':
        if (!this.#isSynced) throw unexpected('ACK');
        end.outgoing.onAck(frame.consumed, frame.window);
        other.slot?.ackNow();
        this.settle(end);
        return;
      case 'ACCEPT':
        this.#onAccept(end, frame.json);
        return;
      default:
        throw unexpected(frame.type);
    }
  }

  onReset(end: End, code: ResetCode, reason: string): void {
    end.slot = undefined;
    this.#otherOf(end).slot?.reset(code, reason);
    const isOver = code !== 'STREAM_MOVED' && code !== 'STREAM_DETACHED';
    const why = reason === '' ? 'the other endpoint reset the stream' : reason;
    this.#end(
      isOver ? { kind: 'reset', error: new PosternError(code, why) } : { kind: 'detached' },
    );
  }

  onLinkClosed(end: End): void {
    end.slot = undefined;
    this.#cut();
  }

  /** Forgets an id once its endpoint has: both directions are finished there (§5.5). */
  settle(end: End): void {
    if (!end.incoming.isTold || !end.outgoing.isConsumed) return;
    end.slot?.close();
    end.slot = undefined;
    if (this.#otherOf(end).slot === undefined) this.#end({ kind: 'finished' });
  }

  #onAccept(end: End, json: Uint8Array): void {
    const near = this.#near.slot;
    if (end !== this.#far || this.#isSynced || near === undefined) throw unexpected('ACCEPT');
    const { position, info, relayMs } = parseAccept(json);
    this.#out.synced(position, this.#options.message.epoch === 0);
    this.#isSynced = true;
    const { alpn, origin } = info;
    const ofOrigin = {
      ...(alpn !== undefined && { alpn }),
      ...(origin !== undefined && { origin }),
    };
    near.accept({
      position,
      // What only a gateway may say is not taken from a connector.
      info: { ...ofOrigin, ...this.#options.told },
      relayMs: behind(relayMs, end.slot?.link),
    });
    this.#options.onAccepted?.();
    this.settle(this.#near);
    this.settle(this.#far);
  }

  /** Only an initiator may send before ACCEPT, and only behind its first OPEN: nothing is granted behind another. */
  #expectSynced(end: End, what: string): void {
    if (!this.#isSynced && end === this.#far) throw unexpected(what);
    if (!this.#isSynced && this.#options.message.epoch > 0) throw unexpected(what);
  }

  /** The way between the two is broken; both may look for another. */
  #cut(): void {
    this.#near.slot?.reset('STREAM_DETACHED', '');
    this.#far.slot?.reset('STREAM_DETACHED', '');
    this.#end({ kind: 'detached' });
  }

  #end(end: RelayEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#near.slot = undefined;
    this.#far.slot = undefined;
    this.#out.clear();
    this.#back.clear();
    this.#options.onEnd(end);
  }

  #otherOf(end: End): End {
    return end === this.#near ? this.#far : this.#near;
  }
}

/** One end of a relay: holds the id on one link. */
class End implements StreamHolder {
  readonly #relay: Relay;
  /** What this end sends, and what it receives. */
  readonly incoming: RelayLane;
  readonly outgoing: RelayLane;
  slot: Slot | undefined;

  constructor(relay: Relay, incoming: RelayLane, outgoing: RelayLane) {
    this.#relay = relay;
    this.incoming = incoming;
    this.outgoing = outgoing;
  }

  onFrame(frame: StreamFrame): void {
    this.#relay.onFrame(this, frame);
  }

  onReset(slot: Slot, code: ResetCode, reason: string, isAnswer: boolean): void {
    if (!isAnswer && slot === this.slot) this.#relay.onReset(this, code, reason);
  }

  onLinkClosed(slot: Slot): void {
    if (slot === this.slot || this.slot === undefined) this.#relay.onLinkClosed(this);
  }

  nextAck(): Uint8Array | undefined {
    const ack = this.slot && this.incoming.nextAck(this.slot.id);
    if (ack !== undefined) this.#relay.settle(this);
    return ack;
  }

  nextFrame(maxBytes: number): OutgoingFrame | undefined {
    return this.slot && this.outgoing.nextFrame(this.slot.id, maxBytes);
  }

  get hasFrame(): boolean {
    return this.slot !== undefined && this.outgoing.hasFrame;
  }

  onTick(): void {
    // Windows are the endpoints' affair.
  }
}

/** The round trip of `link` and what is behind it, ms. Never more than the next link's peer takes. */
function behind(relayMs = 0, link: Link | undefined): number {
  return Math.min(Math.round(relayMs + (link?.roundTripMs ?? 0)), MAX_RELAY_MS);
}

function unexpected(what: string): PosternError {
  return new PosternError('PROTO_UNEXPECTED', `Cannot take ${what} before ACCEPT, or twice`);
}
