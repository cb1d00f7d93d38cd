/**
 * A client without scruples: it attaches any stream whose key it has, at any position and epoch, and then plays by the rules
 * as if the stream were its own. What it sends and expects is the pattern, so it can go on from wherever it is let in.
 */
import type { AcceptMessage } from '../../src/protocol/message/stream-opening.ts';
import { encodeAck, encodeDataHeader, encodeFin, encodeJson } from '../../src/protocol/frame.ts';
import { eventually } from './eventually.ts';
import type { Gateway } from './gateway.ts';
import { dialLink, HELLO, type LinkBytes } from './link-bytes.ts';
import { patternBytes, PatternCheck } from './pattern.ts';

/** What it says of a stream when it attaches it. */
export interface RawAttach {
  readonly key: string;
  readonly hostname: string;
  readonly epoch?: number;
  /** Bytes of the stream that it claims to have received. */
  readonly received?: number;
  readonly replica?: string | undefined;
}

/** How an attach ended: 'accepted', or the code and reason of the RESET. */
export type RawAnswer =
  'accepted' | { readonly code: string; readonly reason: string } | { readonly closed: string };

const WINDOW = 256 * 1024;
const FRAME = 16 * 1024;

/** Signs in on a link of its own. Rejects with what the gateway refuses it with. */
export async function rawClient(gateway: Gateway, credential: string): Promise<RawClient> {
  const link = await dialLink(gateway);
  link.control(HELLO);
  link.control({ type: 'register', role: 'client', credential });
  await eventually(() => link.controls.some(({ type }) => type !== 'hello'));
  const answer = link.controls.find(({ type }) => type !== 'hello');
  if (answer?.type === 'refused') throw Object.assign(new Error(answer.message), answer);
  return new RawClient(link);
}

export class RawClient {
  readonly #link: LinkBytes;
  #nextId = 1;

  constructor(link: LinkBytes) {
    this.#link = link;
  }

  /** Sends OPEN and returns the stream that it makes, whether it is let in or not. */
  attach(attach: RawAttach): RawStream {
    const id = this.#nextId;
    this.#nextId += 2;
    return new RawStream(this.#link, id, attach);
  }
}

export class RawStream {
  readonly #link: LinkBytes;
  readonly #id: number;
  readonly #check: PatternCheck;
  readonly #claimed: number;
  #sent = 0;

  constructor(link: LinkBytes, id: number, attach: RawAttach) {
    const { key, hostname, epoch = 0, received = 0, replica } = attach;
    this.#link = link;
    this.#id = id;
    this.#claimed = received;
    this.#check = new PatternCheck(received);
    const request = { kind: 'tcp', hostname, rule: '', requestId: 'raw', replica };
    const position = { received, consumed: received, window: WINDOW };
    link.send(encodeJson('OPEN', id, { key, epoch, resume: epoch > 0, position, request }));
  }

  /** What became of it so far; undefined while there is no answer. */
  get answer(): RawAnswer | undefined {
    const { frames, socket } = this.#link;
    for (const frame of frames) {
      if (frame.type === 'RESET' && frame.id === this.#id) {
        return { code: frame.code, reason: frame.reason };
      }
    }
    if (this.#accept !== undefined) return 'accepted';
    return socket.readyState === socket.OPEN ? undefined : { closed: 'the link' };
  }

  /** Waits for the answer. */
  async answered(): Promise<RawAnswer> {
    await eventually(() => this.answer !== undefined, { what: 'an answer to OPEN' });
    return this.answer as RawAnswer;
  }

  /** Where the stream lives. */
  get replica(): string | undefined {
    return this.#accept?.info.replica;
  }

  /** Bytes that the other end has, as it said when it let us in. */
  get #start(): number {
    return this.#accept?.position.received ?? 0;
  }

  /** Sends the pattern from where the other end is, up to `end`, and FIN there if `isLast`. */
  send(end: number, isLast = false): void {
    this.#sent = Math.max(this.#sent, this.#start);
    while (end > this.#sent) {
      const bytes = patternBytes(Math.min(end - this.#sent, FRAME), this.#sent);
      this.#link.send(Buffer.concat([encodeDataHeader(this.#id, this.#sent, 0), bytes]));
      this.#sent += bytes.byteLength;
    }
    if (isLast) this.#link.send(encodeFin(this.#id, end));
  }

  /** Checks what came against the pattern, and returns up to where it did. Throws at the first wrong byte. */
  received(): number {
    let offset = this.#claimed;
    for (const frame of this.#link.frames) {
      if (frame.type !== 'DATA' || frame.id !== this.#id) continue;
      if (frame.offset !== offset) throw new Error(`Cannot take DATA at ${frame.offset}`);
      offset += frame.data.byteLength;
      const known = this.#claimed + this.#check.bytes;
      if (offset > known) this.#check.push(frame.data.subarray(known - frame.offset));
    }
    return offset;
  }

  /** Tells the other end that all of this was handed on. */
  acknowledge(consumed: number): void {
    this.#link.send(encodeAck(this.#id, consumed, WINDOW));
  }

  /** Where the other end's FIN was, once it came. */
  get endedAt(): number | undefined {
    for (const frame of this.#link.frames) {
      if (frame.type === 'FIN' && frame.id === this.#id) return frame.offset;
    }
    return undefined;
  }

  get #accept(): AcceptMessage | undefined {
    for (const frame of this.#link.frames) {
      if (frame.type === 'ACCEPT' && frame.id === this.#id) {
        return JSON.parse(frame.json.toString()) as AcceptMessage;
      }
    }
    return undefined;
  }
}
