/**
 * Who somebody is, as every part of access sees it: a person who signed in, or a machine with a credential.
 *
 * Only shapes. Providers (`oidc/`, `saml/`, `local/`) make identities, policies read them, and nobody changes one: a
 * refreshed identity is a new object. design.md §6.
 */

/** A person, as an identity provider vouches for them. Bounded by `LIMITS.identityBytes` when written as JSON. */
export interface Identity {
  /** Id of the identity provider in the configuration. */
  readonly provider: string;
  /** The provider's own, unchanging name for the person: OIDC `sub`, SAML NameID, a local user's name. */
  readonly subject: string;
  /** Lower case, of one `@`, ASCII, and only when the provider says that it is verified (case O22). */
  readonly email?: string;
  readonly name?: string;
  readonly groups: readonly string[];
  /** How they authenticated: RFC 8176 values where there is one (`pwd`, `otp`, `mfa`, `hwk`…). */
  readonly methods: readonly string[];
  /** Everything else that the provider said: JSON values only. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A client certificate that TLS has verified against the configured authorities. */
export interface ClientCertificate {
  readonly commonName: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** E-mail and DNS names of the subject. */
  readonly names: readonly string[];
}

/** A machine credential, without its secret. */
export interface ServiceTokenIdentity {
  readonly id: string;
  readonly name: string;
}
