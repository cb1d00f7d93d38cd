/**
 * Registering one link: `hello` and `register` out, `registered` or `refused` back. See docs/protocol.md §4.
 *
 * Owns the link until the gateway has answered; it closes it on every other outcome.
 */
import type { Clock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { VERSION } from '../core/version.ts';
import type {
  AnnouncedRule,
  ControlMessage,
  DrainMessage,
  HostnamesMessage,
  RegisteredMessage,
  ReplicaInfo,
} from '../protocol/control-message.ts';
import type { FrameChannel } from '../protocol/frame-channel.ts';
import { CLOSE_CODE, Link } from '../protocol/link.ts';
import type { StreamAccepter } from '../protocol/stream-accepter.ts';

/** What a registered link is told afterwards. */
interface RegisteredLinkEvents {
  onDrain(message: DrainMessage): void;
  onHostnames(message: HostnamesMessage): void;
  /** Exactly once. */
  onClose(error: PosternError | undefined): void;
}

export interface RegistrationOptions {
  readonly channel: FrameChannel;
  readonly clock: Clock;
  readonly accepter: StreamAccepter;
  readonly token: string;
  /** The id of this run of the connector. */
  readonly process: string;
  /** Index of this link among the replica's. */
  readonly index: number;
  readonly replica: ReplicaInfo;
  readonly rules: readonly AnnouncedRule[];
  readonly events: RegisteredLinkEvents;
}

export interface RegisteredLink {
  readonly link: Link;
  readonly answer: RegisteredMessage;
}

/**
 * Resolves once the gateway has registered the link. Rejects with REGISTER_REFUSED (or the code the gateway gave),
 * REGISTER_TIMEOUT, PROTO_VERSION, or with what ended the link.
 */
export async function registerLink(options: RegistrationOptions): Promise<RegisteredLink> {
  return new Promise((resolve, reject) => new Registration(options, resolve, reject));
}

class Registration {
  readonly #options: RegistrationOptions;
  readonly #resolve: (registered: RegisteredLink) => void;
  readonly #reject: (error: PosternError) => void;
  readonly #link: Link;
  #isRegistered = false;
  /** How long the gateway's streams may be detached; undefined: as long as always. */
  #detachedMs: number | undefined;

  constructor(
    options: RegistrationOptions,
    resolve: (registered: RegisteredLink) => void,
    reject: (error: PosternError) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const timer = options.clock.after(LIMITS.handshakeMs, () => this.#timedOut());
    this.#link = new Link({
      channel: options.channel,
      isDialler: true,
      clock: options.clock,
      events: {
        onControl: (message) => this.#onControl(message),
        onOpen: (slot, message) => options.accepter.open(slot, message, this.#detachedMs),
        onClose: (error) => {
          timer.cancel();
          this.#onClose(error);
        },
      },
    });
    this.#introduce();
  }

  #introduce(): void {
    const { token, process, index, replica, rules } = this.#options;
    this.#link.sendControl({
      type: 'hello',
      versions: [1],
      features: [],
      software: `postern/${VERSION}`,
      process,
    });
    this.#link.sendControl({
      type: 'register',
      role: 'connector',
      token,
      link: index,
      replica,
      rules,
    });
  }

  #onControl(message: ControlMessage): void {
    switch (message.type) {
      case 'hello':
        if (!message.versions.includes(1))
          this.#fail('PROTO_VERSION', versionMessage(message.versions));
        return;
      case 'registered':
        if (this.#isRegistered) return;
        this.#isRegistered = true;
        this.#detachedMs = detachedMsFor(message);
        this.#link.trust();
        this.#resolve({ link: this.#link, answer: message });
        return;
      case 'refused':
        this.#fail(message.permanent ? 'REGISTER_REFUSED' : 'REGISTER_LIMIT', message.message);
        return;
      case 'drain':
        this.#options.events.onDrain(message);
        return;
      case 'hostnames':
        this.#options.events.onHostnames(message);
        return;
      case 'register':
      case 'rules':
        // A gateway has no reason to send these; like any message we have no use for, they mean nothing.
        return;
    }
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

  #fail(
    code: 'REGISTER_REFUSED' | 'REGISTER_LIMIT' | 'REGISTER_TIMEOUT' | 'PROTO_VERSION',
    why: string,
  ): void {
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

/**
 * As long as the gateway keeps its end, from when the gateway notices: that may be `deadPeerMs` after we did. Giving up
 * before it does would lose streams, long after it would hold origins for nobody.
 */
function detachedMsFor({ resumeMs }: RegisteredMessage): number | undefined {
  return resumeMs === undefined ? undefined : resumeMs + LIMITS.deadPeerMs;
}

function versionMessage(versions: readonly number[]): string {
  return `Cannot register: the gateway speaks versions ${versions.join(', ')} of the link protocol, and we speak 1`;
}
