/** What signing in from the command line needs from the rest of the gateway, and no more of it. */
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type {
  OutsideAddress,
  Session,
  SessionKeeper,
  WriteAudit,
} from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';

/** Where a command wants to go: a path of a hostname, '' for raw TCP. */
export interface ClientAsk {
  readonly hostname: string;
  readonly path: string;
  readonly address: string;
  /** Absent: nobody is signed in. */
  readonly session?: Session | undefined;
  /** Why they want in, where they said so. */
  readonly purpose?: string | undefined;
}

/** What the gate says of it. */
export type ClientVerdict =
  /** Anybody may. */
  | 'open'
  | 'allow'
  | 'deny'
  | 'sign-in'
  /** They may, once they have said why. */
  | 'purpose';

/** A token for one application. */
export interface MintedToken {
  readonly token: string;
  /** Name of the application. */
  readonly application: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}

type ClientRowKind = 'client-code' | 'device';

/** Single-use rows; OnceStore of the store. */
interface ClientRows {
  put(
    kind: ClientRowKind,
    id: string,
    value: Readonly<Record<string, unknown>>,
    expiresAt: number,
  ): Promise<void>;
  take(kind: ClientRowKind, id: string): Promise<Readonly<Record<string, unknown>> | undefined>;
}

export interface ClientSignInPorts {
  /** Sign-in in browsers. */
  readonly browser: {
    session(request: WebRequest): Promise<Session | undefined>;
    start(request: WebRequest, destination: string): Promise<WebResponse>;
  };
  readonly sessions: Pick<SessionKeeper, 'create' | 'verify' | 'revoke'> & {
    find(id: string): Promise<Session | undefined>;
  };
  /** How long client sessions last, ms. */
  clientSessionMs(): number;
  /** Judges; what it denies is in the audit log. */
  judge(ask: ClientAsk): ClientVerdict;
  /** A token for the application of an ask that was just allowed. */
  mint(ask: ClientAsk & { readonly session: Session }): Promise<MintedToken>;
  /** Thumbprints (RFC 7638) of the keys in the JWKS. */
  thumbprints(): Promise<readonly string[]>;
  /** Why nothing answers at a hostname at the moment; undefined when something should. */
  unreachable(hostname: string): 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA' | undefined;
  readonly rows: ClientRows;
  readonly address: OutsideAddress;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
}
