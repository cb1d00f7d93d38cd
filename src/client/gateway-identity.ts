/** What a gateway is known by at a client: the origin of its auth host, and the thumbprints of its keys. */

const THUMBPRINT = /^[\w-]{43}$/;

/** Whether it is an origin of HTTPS, `https://host[:port]`, and nothing more. */
export function isGatewayOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && text.startsWith('https://');
}

/** Whether it has the form of an RFC 7638 thumbprint (SHA-256, base64url). */
export function isThumbprint(value: unknown): value is string {
  return typeof value === 'string' && THUMBPRINT.test(value);
}
