/**
 * The gateway's configuration file. design.md §10 and docs/config.md.
 *
 * What comes out is complete: defaults filled in, durations in ms, paths absolute, every file it names readable.
 * Reading it opens no socket and changes nothing.
 */
import type { Application, IdentityProvider } from './application.ts';
import type { ListenAddress } from './listen-address.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export const LOG_FORMATS = ['auto', 'pretty', 'json'] as const;

/** What is logged, and how; `auto` is pretty on a terminal and JSON elsewhere. */
export interface LogConfig {
  readonly level: (typeof LOG_LEVELS)[number];
  readonly format: (typeof LOG_FORMATS)[number];
}

/** A certificate chain and its private key, PEM, absolute paths. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A plain TCP port whose connections go to the service behind a hostname. */
export interface TcpListener {
  readonly listen: ListenAddress;
  /** Normal form, without `*`. */
  readonly hostname: string;
  /** Absent: bytes are passed as they are. `terminate`: TLS ends here with the gateway's own certificate. */
  readonly tls?: 'terminate' | TlsFiles | undefined;
}

/** The gateway's configuration, resolved. */
export interface GatewayConfig {
  /** Absolute path of the file this was read from. */
  readonly file: string;
  /** Normal form; sign-in is on `auth.<domain>`. */
  readonly domain: string;
  /** Absolute; the database, keys and the admin socket live here. */
  readonly dataDir: string;
  readonly listen: {
    readonly https?: ListenAddress | undefined;
    /** Redirects to https; serves users and links itself when `plaintext` is true. */
    readonly http?: ListenAddress | undefined;
    readonly metrics?: ListenAddress | undefined;
  };
  readonly plaintext: boolean;
  /** Absent: the gateway makes a private CA and a certificate in `dataDir`. */
  readonly tls?: TlsFiles | undefined;
  readonly gracePeriodMs: number;
  /** How long the gateway keeps its end of a stream whose connector is away. */
  readonly resumeTimeoutMs: number;
  readonly tcp: readonly TcpListener[];
  /** What happens to a hostname without an application. */
  readonly defaultPolicy: 'deny' | 'public';
  readonly identityProviders: readonly IdentityProvider[];
  /** The most specific hostname first, so that the first match is the right one. */
  readonly applications: readonly Application[];
  readonly log: LogConfig;
}
