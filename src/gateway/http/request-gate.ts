/**
 * What the HTTP path asks before it routes a request: whether it may go on, or who else answers it.
 *
 * Only shapes. gateway/access/ implements them; without one, everything goes on.
 */
import type { StreamRight } from '../../access/tokens/stream-assertions.ts';
import type { WebRequest, WebResponse } from '../../access/web-message.ts';
import type { PosternError } from '../../core/error.ts';
import type { ApplicationLimits } from './limits/request-limits.ts';
import type { GuardedRequest } from './request-guard.ts';
import type { RequestRecord } from './record/request-record.ts';
import type { UserRequest } from './user/user-message.ts';

/** A request that the guard has let pass. */
export interface GateRequest {
  readonly request: UserRequest;
  readonly guarded: GuardedRequest;
  /** Told who it is and why. */
  readonly record: RequestRecord;
}

/** What becomes of a request. */
export type Admission =
  | { readonly kind: 'pass'; readonly pass: RequestPass }
  /** It is answered with this. */
  | { readonly kind: 'answer'; readonly response: WebResponse }
  /** It is answered with an error page, or JSON. */
  | { readonly kind: 'refuse'; readonly error: PosternError }
  /** It is for the gateway itself, which wants its body. */
  | {
      readonly kind: 'own';
      answer(request: WebRequest): Promise<WebResponse>;
    };

/** Leave to go on to an origin. */
export interface RequestPass {
  /** Names and values in turn: who it is, for the origin. */
  readonly identityHeaders: readonly string[];
  /** The Authorization field is ours and stays here. */
  readonly ownsAuthorization: boolean;
  /** What it goes on to; absent where nobody was asked. */
  readonly application?: ApplicationLimits | undefined;
  /** For connectors that want to know. */
  readonly right?: StreamRight;
  /**
   * The request became a WebSocket. `end` is called once when it may go on no longer; release() when it is over.
   */
  hold(end: (error: PosternError) => void): { release(): void };
}

export interface RequestGate {
  /** Decides; at once where nothing has to be looked up. Rejects with STORE_*. */
  admit(request: GateRequest): Admission | Promise<Admission>;
}

/** What goes on where nobody is asked. */
export const EVERYBODY: Admission = {
  kind: 'pass',
  pass: {
    identityHeaders: [],
    ownsAuthorization: false,
    hold: () => ({ release: () => undefined }),
  },
};
