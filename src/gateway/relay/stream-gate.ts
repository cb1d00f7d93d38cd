/**
 * What the relay asks of access: who a client is, and whether they may reach a hostname now and for as long as they do.
 *
 * Only shapes. access/ decides; gateway/access/ joins the two.
 */
import type { StreamRight } from '../../access/tokens/stream-assertions.ts';
import type { PosternError } from '../../core/error.ts';

/** Who holds a client link. */
export interface ClientPrincipal {
  /** For logs and for the client: an e-mail address or the name of a service token. Absent: nobody. */
  readonly user?: string;
  /** Stands for the person or machine, whatever their session: only the same one may resume a stream. */
  readonly owner?: string;
  /** Stands for the session or token that the link was let in with. */
  readonly grant?: string;
}

/** One stream that a client wants. */
export interface StreamAsk<Principal extends ClientPrincipal> {
  /** Normal form. */
  readonly hostname: string;
  readonly principal: Principal;
  /** The client's address, without port. */
  readonly address: string;
  readonly requestId: string;
  /** Why they want it, where they said so. */
  readonly purpose?: string | undefined;
}

export type StreamVerdict =
  | {
      readonly allow: true;
      readonly application: string | undefined;
      /** For connectors that want to know. */
      readonly right?: StreamRight;
      /** How long the stream may be detached, ms. */
      readonly detachedMs?: number;
      /** How long it may live by what was decided, ms. Absent: for as long as nothing changes. */
      readonly endsMs?: number;
    }
  | { readonly allow: false; readonly error: PosternError };

export interface StreamGate<Principal extends ClientPrincipal> {
  /** Who a credential stands for. Rejects with ACCESS_SIGN_IN when it is, or is no longer, worth nothing. */
  admit(credential: string | undefined, address: string): Promise<Principal>;
  /** Calls `end` within a second once the credential is worth nothing any more. release() when its link is gone. */
  watch(principal: Principal, end: (error: PosternError) => void): { release(): void };
  /** Calls `listener` with each grant that is revoked, whether or not anything is known to live on it here. */
  onGrantEnded(listener: (grant: string) => void): void;
  /** Whether the stream may be opened, or go on. */
  judge(ask: StreamAsk<Principal>): StreamVerdict;
  /** Calls `end` within a second once judge() would say no. release() when the stream is over. */
  hold(ask: StreamAsk<Principal>, end: (error: PosternError) => void): { release(): void };
}
