/**
 * Registering one link: `hello` and `register` out, `registered`, `admitted` or `refused` back. See docs/protocol.md §4.
 *
 * Owns the link until the gateway has answered; it closes it on every other outcome.
 */
import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { VERSION } from '../../core/version.ts';
import type {
  AdmittedMessage,
  ControlMessage,
  RegisteredMessage,
} from '../../protocol/message/control-message.ts';
import type { RegisterMessage } from '../../protocol/message/register-message.ts';
import type { OpenMessage } from '../../protocol/message/stream-opening.ts';
import type { FrameChannel } from '../../protocol/frame-channel.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import { Link } from '../../protocol/link.ts';
import type { Slot, StreamHolder } from '../../protocol/slot.ts';

/** What a registered link is told afterwards. */
interface RegisteredLinkEvents<Answer> {
  /** The gateway has registered the link; nothing else arrived before. */
  onRegistered?(answer: Answer): void;
  /** The gateway opens a stream. */
  onOpen(slot: Slot, message: OpenMessage): StreamHolder;
  /** A control message that came after the answer. */
  onControl(message: ControlMessage): void;
  /** Exactly once. */
  onClose(error: PosternError | undefined): void;
}

export interface RegisterLinkOptions<Answer extends RegisteredMessage | AdmittedMessage> {
  readonly channel: FrameChannel;
  readonly clock: Clock;
  /** The id of this run of the program. */
  readonly process: string;
  readonly register: RegisterMessage;
  /** What says yes. */
  readonly answer: Answer['type'];
  readonly events: RegisteredLinkEvents<Answer>;
  /** Gives up before there is an answer; it rejects with LINK_CLOSED. */
  readonly signal?: AbortSignal | undefined;
}

export interface RegisteredLink<Answer> {
  readonly link: Link;
  readonly answer: Answer;
  /** What the gateway said it knows of. */
  readonly features: readonly string[];
}

/**
 * Resolves once the gateway has registered the link. Rejects with REGISTER_REFUSED or ACCESS_SIGN_IN for good,
 * REGISTER_LIMIT for now, REGISTER_TIMEOUT, PROTO_VERSION, or with what ended the link.
 */
export async function registerLink<Answer extends RegisteredMessage | AdmittedMessage>(
  options: RegisterLinkOptions<Answer>,
): Promise<RegisteredLink<Answer>> {
  return new Promise((resolve, reject) => new Registration(options, resolve, reject));
}

type Refusal =
  'REGISTER_REFUSED' | 'REGISTER_LIMIT' | 'REGISTER_TIMEOUT' | 'ACCESS_SIGN_IN' | 'PROTO_VERSION';

class Registration<Answer extends RegisteredMessage | AdmittedMessage> {
  readonly #options: RegisterLinkOptions<Answer>;
  readonly #resolve: (registered: RegisteredLink<Answer>) => void;
  readonly #reject: (error: PosternError) => void;
  readonly #link: Link;
  #isRegistered = false;
  #features: readonly string[] = [];

  constructor(
    options: RegisterLinkOptions<Answer>,
    resolve: (registered: RegisteredLink<Answer>) => void,
    reject: (error: PosternError) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const { channel, clock, events, process, register, signal } = options;
    const timer = clock.after(LIMITS.handshakeMs, () => this.#timedOut());
    const giveUp = (): void => this.#giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    this.#link = new Link({
      channel,
      isDialler: true,
      clock,
      events: {
        onControl: (message) => this.#onControl(message),
        onOpen: (slot, message) => events.onOpen(slot, message),
        onClose: (error) => {
          timer.cancel();
          signal?.removeEventListener('abort', giveUp);
          this.#onClose(error);
        },
      },
    });
    const software = `postern/${VERSION}`;
    this.#link.sendControl({ type: 'hello', versions: [1], features: [], software, process });
    this.#link.sendControl(register);
  }

  #onControl(message: ControlMessage): void {
    if (message.type === 'hello') {
      this.#features = message.features;
      if (!message.versions.includes(1))
        this.#fail('PROTO_VERSION', versionMessage(message.versions));
    } else if (message.type === 'refused') {
      this.#fail(refusalOf(message.code, message.permanent), message.message);
    } else if (this.#isAnswer(message)) {
      this.#onAnswer(message);
    } else if (this.#isRegistered) {
      this.#options.events.onControl(message);
    }
  }

  #isAnswer(message: ControlMessage): message is Answer {
    return message.type === this.#options.answer;
  }

  #onAnswer(answer: Answer): void {
    if (this.#isRegistered) return;
    this.#isRegistered = true;
    this.#link.trust();
    this.#options.events.onRegistered?.(answer);
    this.#resolve({ link: this.#link, answer, features: this.#features });
  }

  #onClose(error: PosternError | undefined): void {
    if (this.#isRegistered) this.#options.events.onClose(error);
    else this.#reject(error ?? new PosternError('LINK_CLOSED', 'Cannot register: the link closed'));
  }

  #timedOut(): void {
    if (this.#isRegistered) return;
    const seconds = LIMITS.handshakeMs / 1000;
    this.#fail('REGISTER_TIMEOUT', `Cannot register: no answer within ${seconds} s`);
  }

  #giveUp(): void {
    if (this.#isRegistered) return;
    this.#link.terminate(new PosternError('LINK_CLOSED', 'Cannot register: it was given up'));
  }

  #fail(code: Refusal, why: string): void {
    const error = new PosternError(code, why);
    if (this.#isRegistered) {
      // Revoked while it lived: the reason is the gateway's last word on the link.
      this.#link.terminate(error);
      return;
    }
    this.#reject(error);
    this.#link.close(CLOSE_CODE.done, code);
  }
}

function refusalOf(code: string, isPermanent: boolean): Refusal {
  if (code === 'ACCESS_SIGN_IN') return code;
  return isPermanent ? 'REGISTER_REFUSED' : 'REGISTER_LIMIT';
}

function versionMessage(versions: readonly number[]): string {
  return `Cannot register: the gateway speaks versions ${versions.join(', ')} of the link protocol, and we speak 1`;
}
