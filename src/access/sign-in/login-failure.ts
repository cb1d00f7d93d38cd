/** Why a sign-in failed: the `reason` of audit event `login.fail`. Names are API; users never see them. */
export type LoginFailure =
  /** The answer names no transaction of this browser: unknown, over, used before, or another browser's. */
  | 'state'
  /** The provider answered that it did not sign anybody in. */
  | 'provider-refused'
  /** The provider cannot be reached or does not answer properly. */
  | 'provider-down'
  /** What the provider vouches with does not hold: signature, issuer, audience, time, nonce, replay. */
  | 'invalid-response'
  /** The provider's answer lacks what makes an identity, or has too much. */
  | 'identity'
  /** Name or password is wrong. */
  | 'password'
  /** The one-time code is wrong or was used before. */
  | 'code'
  /** Too many failures before. */
  | 'banned'
  /** The local user may not sign in. */
  | 'disabled'
  /** Too many attempts at the same time, or from this address. */
  | 'limit'
  /** A form that came from another site, or is malformed. */
  | 'form'
  /** We failed. */
  | 'internal';
