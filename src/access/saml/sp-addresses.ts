/** Our addresses at one identity provider: they come from the configuration, never from a request (case O25). */

export interface SpAddresses {
  /** Our name. */
  readonly entityId: string;
  readonly metadata: string;
  /** Where responses go. */
  readonly acs: string;
  /** Where messages of single logout go. */
  readonly logout: string;
}

/** `authOrigin`: `https://auth.<domain>[:port]`. `entityId`: what the configuration says instead of the address of our metadata. */
export function spAddresses(authOrigin: string, id: string, entityId?: string): SpAddresses {
  const base = `${authOrigin}/.postern/saml/${id}`;
  const metadata = `${base}/metadata`;
  return { entityId: entityId ?? metadata, metadata, acs: `${base}/acs`, logout: `${base}/slo` };
}
