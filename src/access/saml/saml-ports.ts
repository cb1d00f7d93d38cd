/** What SAML needs from the rest of the gateway, and no more of it. */
import type { KeyStore, OnceStore } from '../../store/store.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';

export interface SamlPorts {
  readonly keys: Pick<KeyStore, 'list' | 'add'>;
  readonly rows: Pick<OnceStore, 'put' | 'take' | 'claim'>;
  /** Ends every session that `picks` names; resolves to how many. */
  readonly endSessions: (picks: (session: Session) => boolean, because: string) => Promise<number>;
  /** The ticket that leads to a path of the auth host. */
  readonly ticketTo: (path: string) => string;
  /** A self-signed certificate, PEM, for a private key, PKCS #8 PEM. `now` in ms since 1970. */
  readonly certify: (key: string, commonName: string, now: number) => Promise<string>;
}
