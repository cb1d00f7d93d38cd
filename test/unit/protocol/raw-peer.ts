/**
 * A link with nothing but bytes on its other side, so that a test can send what no honest peer would.
 */
import type { PosternError } from '../../../src/core/error.ts';
import type { ControlMessage } from '../../../src/protocol/message/control-message.ts';
import type { OpenMessage } from '../../../src/protocol/message/stream-opening.ts';
import { decodeFrame, encodeJson, encodePing, type Frame } from '../../../src/protocol/frame.ts';
import { Link, type LinkEvents } from '../../../src/protocol/link.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../../src/protocol/slot.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { memoryChannels, type MemoryChannel } from '../../support/memory-channel.ts';
import { settle } from './turns.ts';

export const REQUEST = { kind: 'tcp', hostname: 'a.test', rule: 'r', requestId: 'q' } as const;
const KEY = 'abcdefghijklmnopqrstuv';
export const START = { received: 0, consumed: 0, window: 262_144 } as const;

/** The body of a first OPEN, with `changes`. */
export function openMessage(changes: Partial<OpenMessage> = {}): OpenMessage {
  return { key: KEY, epoch: 0, resume: false, position: START, request: REQUEST, ...changes };
}

/** A holder that does nothing, with `methods` of a test's own. */
export function holder(methods: Partial<StreamHolder> = {}): StreamHolder {
  return { ...NOBODY, ...methods };
}

export interface RawPeerOptions {
  /** Whether the link dialled; the raw side then accepted. Default false: the raw side opens odd ids. */
  readonly isDialler?: boolean;
  readonly onOpen?: LinkEvents['onOpen'];
  /** Default true. */
  readonly isTrusted?: boolean;
}

export class RawPeer {
  readonly clock = new FakeClock();
  readonly link: Link;
  /** The end that the link sends on. */
  readonly channel: MemoryChannel;
  readonly raw: MemoryChannel;
  readonly controls: ControlMessage[] = [];
  readonly opened: Slot[] = [];
  /** Why the link ended; one entry when it did. */
  readonly closed: (PosternError | undefined)[] = [];
  #frames: Frame[] = [];

  constructor(options: RawPeerOptions = {}) {
    [this.channel, this.raw] = memoryChannels();
    this.raw.events = {
      onFrame: (bytes) => void this.#frames.push(decodeFrame(bytes)),
      onDrain: () => undefined,
      onClose: () => undefined,
    };
    this.link = new Link({
      channel: this.channel,
      isDialler: options.isDialler ?? false,
      clock: this.clock,
      events: {
        onControl: (message) => void this.controls.push(message),
        onOpen: (slot, message) => {
          this.opened.push(slot);
          return options.onOpen?.(slot, message) ?? holder();
        },
        onClose: (error) => void this.closed.push(error),
      },
    });
    if (options.isTrusted !== false) this.link.trust();
  }

  /** Sends frames to the link, whole or as hex, and lets everything settle. */
  async send(...frames: (Uint8Array | string)[]): Promise<void> {
    this.raw.send(frames.map((f) => (typeof f === 'string' ? Buffer.from(f, 'hex') : f)));
    await settle();
  }

  /** Sends an OPEN. */
  async open(id: number, changes: Partial<OpenMessage> = {}): Promise<void> {
    await this.send(encodeJson('OPEN', id, openMessage(changes)));
  }

  /** Lets time pass for a link that the raw side keeps alive. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 5_000) {
      this.clock.run(Math.min(left, 5_000));
      await this.send(encodePing('PONG', Buffer.alloc(8)));
    }
  }

  /** What the link sent since the last call, without its PINGs. */
  async received(): Promise<Frame[]> {
    await settle();
    const frames = this.#frames;
    this.#frames = [];
    return frames.filter(({ type }) => type !== 'PING');
  }

  /** What the link sent since the last call, its PINGs. */
  async pings(): Promise<Buffer[]> {
    await settle();
    const pings = this.#frames.flatMap((f) => (f.type === 'PING' ? [f.opaque] : []));
    this.#frames = [];
    return pings;
  }

  /** The code the link ended with, or undefined while it lives. */
  get endedWith(): string | undefined {
    return this.closed[0]?.code;
  }
}
