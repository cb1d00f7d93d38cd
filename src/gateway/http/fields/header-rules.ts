/**
 * Which header fields are the gateway's own business, in one place for requests and responses.
 *
 * Names are compared in lower case; a name that a lenient origin could read as another (`X_Forwarded_For`) counts as
 * that other one. Pure. See RFC 9110 §7.6.1 and anchors P18–P20.
 */

/**
 * Request fields that origins believe because a proxy set them. `x-original-url` and `x-rewrite-url` would change the
 * path behind the back of the path rules; `proxy` becomes HTTP_PROXY in CGI programs.
 */
const OWNED: ReadonlySet<string> = new Set([
  'forwarded',
  'proxy',
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'x-original-url',
  'x-rewrite-url',
]);

const OWNED_PREFIXES = ['x-forwarded-', 'postern-', 'cf-access-'] as const;

/** First letters of everything owned: most names are decided by one comparison. */
const OWNED_START = /^[xfptc]/;

/**
 * Whether a request field is one that only the gateway may set. `lowerName` is in lower case; every character but
 * letters and digits counts as `-`, since CGI, WSGI and PHP fold them.
 */
export function isGatewayOwned(lowerName: string): boolean {
  if (!OWNED_START.test(lowerName)) return false;
  const name = lowerName.replaceAll(/[^a-z0-9-]/g, '-');
  return OWNED.has(name) || OWNED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Whether a Connection field lists no field at all, as almost all do. */
export function isOrdinaryConnection(value: string): boolean {
  return ORDINARY_CONNECTION.has(value);
}

const ORDINARY_CONNECTION: ReadonlySet<string> = new Set([
  'keep-alive',
  'Keep-Alive',
  'close',
  'Close',
  'Upgrade',
  'upgrade',
]);

/** The names, in lower case, that one Connection field lists. Empty elements are skipped. */
export function connectionOptions(value: string): string[] {
  return value
    .split(',')
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== '');
}
