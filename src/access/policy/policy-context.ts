/** What policies are asked about. Everything in it has been verified: policies trust it. */
import type { ClientCertificate, Identity, ServiceTokenIdentity } from '../identity.ts';

export interface PolicyContext {
  /** The person who signed in. */
  readonly identity?: Identity | undefined;
  readonly serviceToken?: ServiceTokenIdentity | undefined;
  readonly clientCertificate?: ClientCertificate | undefined;
  /** The user's IP address in any notation. */
  readonly address?: string | undefined;
  /** ISO 3166, upper case. Absent where nobody knows. */
  readonly country?: string | undefined;
  /** Ms since 1970. */
  readonly now: number;
}
