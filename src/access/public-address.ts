/**
 * How the gateway is called from outside: every address that is given to a browser or a provider comes from here, and so
 * from the configuration, never from a Host header (case O25).
 */

export class PublicAddress {
  readonly domain: string;
  /** Belongs to the gateway: users sign in there. */
  readonly authHost: string;
  #port: number;

  /** `port`: where it is known from the configuration; 443 until setPort() otherwise. */
  constructor(domain: string, port = 443) {
    this.domain = domain;
    this.authHost = `auth.${domain}`;
    this.#port = port;
  }

  /** For a gateway that listens on whatever port is free. */
  setPort(port: number): void {
    this.#port = port;
  }

  /** `https://host`, with the port where it is not 443. `hostname` in normal form. */
  origin(hostname: string): string {
    return this.#port === 443 ? `https://${hostname}` : `https://${hostname}:${this.#port}`;
  }

  /** The origin of the auth host: issuer of all tokens. */
  get authOrigin(): string {
    return this.origin(this.authHost);
  }
}
