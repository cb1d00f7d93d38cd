/**
 * The keys of cloudflared's file that this connector does not have: those it refuses, with the reason, and those that
 * mean nothing here and may stay. docs/config.md prints both; a test compares them.
 *
 * A key may be called meaningless only when nobody can be hurt by it having no effect.
 */
import { z } from 'zod';

/** Why a key is refused (`because …`), and what to do instead of it. */
interface Refusal {
  readonly because: string;
  readonly instead: string;
}

function refused(because: string, instead = 'remove it'): Refusal {
  return { because, instead };
}

function ownRule(): Refusal {
  return refused('services are reached by ingress rules', 'write it as one');
}

function forOrigins(key: string): Refusal {
  return refused('it is set for origins', `write originRequest.${key}`);
}

const SECRET = 'a secret does not belong in this file';
const TOKEN_FILE = 'put it into a file of mode 0600 and name that in token-file';
const STDERR = 'logs go to stderr';
const REDIRECT = 'let systemd or a redirection keep them';
const PRIVATE_NETWORK = 'networks are not routed, only the services of ingress rules';
const NO_DNS = 'there is no DNS proxy';
const NO_PORT = 'no port is opened for users';
const FIXED = 'its value is fixed';

/** Keys that are refused wherever they have a value. */
export const REFUSED_CLOUDFLARED_KEYS: Readonly<Record<string, Refusal>> = {
  token: refused(SECRET, TOKEN_FILE),
  'credentials-contents': refused(SECRET, TOKEN_FILE),
  'api-key': refused(SECRET),
  'api-ca-key': refused(SECRET),
  logfile: refused(STDERR, REDIRECT),
  'log-directory': refused(STDERR, REDIRECT),
  logDirectory: refused(STDERR, REDIRECT),
  'trace-output': refused('no trace is written when it stops'),
  pidfile: refused('systemd is told directly', 'use it, or "postern tunnel ready"'),
  hostname: ownRule(),
  name: refused('tunnels are made beforehand', 'use "postern tunnel create NAME"'),
  'lb-pool': refused('there are no load balancer pools', 'run several replicas'),
  'hello-world': ownRule(),
  'unix-socket': ownRule(),
  bastion: ownRule(),
  socks5: ownRule(),
  'proxy-address': refused(NO_PORT),
  'proxy-port': refused(NO_PORT),
  'proxy-connect-timeout': forOrigins('connectTimeout'),
  'proxy-tls-timeout': forOrigins('tlsTimeout'),
  'proxy-tcp-keepalive': forOrigins('tcpKeepAlive'),
  'proxy-no-happy-eyeballs': forOrigins('noHappyEyeballs'),
  'proxy-keepalive-connections': forOrigins('keepAliveConnections'),
  'proxy-keepalive-timeout': forOrigins('keepAliveTimeout'),
  'http-host-header': forOrigins('httpHostHeader'),
  'origin-server-name': forOrigins('originServerName'),
  'origin-ca-pool': forOrigins('caPool'),
  'no-tls-verify': forOrigins('noTLSVerify'),
  'no-chunked-encoding': forOrigins('disableChunkedEncoding'),
  'http2-origin': forOrigins('http2Origin'),
  'warp-routing': refused(PRIVATE_NETWORK),
  'max-active-flows': refused(PRIVATE_NETWORK),
  'dns-resolver-addrs': refused(PRIVATE_NETWORK),
  'icmpv4-src': refused(PRIVATE_NETWORK),
  'icmpv6-src': refused(PRIVATE_NETWORK),
  edge: refused('links go to the addresses in gateway', 'write those'),
  cacert: refused('what is trusted for links is in ca', 'write that'),
  'edge-bind-address': refused('the system chooses the address to dial from'),
  'post-quantum': refused('the key exchange is what Node and the gateway agree on'),
  'dial-edge-timeout': refused(FIXED),
  'write-stream-timeout': refused(FIXED),
  tag: refused('origins are not told tags'),
  label: refused('replicas are shown by id'),
  'stdin-control': refused('links are made again without being asked'),
  forwarders: refused('a connector opens no local ports'),
  resolver: refused(NO_DNS),
  'proxy-dns': refused(NO_DNS),
  'proxy-dns-port': refused(NO_DNS),
  'proxy-dns-address': refused(NO_DNS),
  'proxy-dns-upstream': refused(NO_DNS),
  'proxy-dns-max-upstream-conns': refused(NO_DNS),
  'proxy-dns-bootstrap': refused(NO_DNS),
};

/** Key → why it means nothing here. */
export const MEANINGLESS_CLOUDFLARED_KEYS: Readonly<Record<string, string>> = {
  'no-autoupdate': 'Postern never updates itself',
  'autoupdate-freq': 'Postern never updates itself',
  'is-autoupdated': 'Postern never updates itself',
  protocol: 'a link is always a WebSocket over TLS',
  retries: 'a connector never gives up; waits grow to 30s',
  'max-edge-addr-retries': 'a connector never gives up; waits grow to 30s',
  region: 'the gateways are the ones in gateway',
  'edge-ip-version': 'both are tried',
  'heartbeat-interval': 'a dead gateway is noticed in 15s',
  'heartbeat-count': 'a dead gateway is noticed in 15s',
  'rpc-timeout': 'registering is given 10s',
  'metrics-update-freq': 'metrics are current when they are read',
  'transport-loglevel': 'loglevel covers links too',
  'proto-loglevel': 'loglevel covers links too',
  origincert: 'there is no account certificate',
  features: 'features are agreed on by each link',
  'no-prechecks': 'there are no checks to skip; dialling is the check',
  'compression-quality': 'links are not compressed',
  'max-fetch-size': 'no list is fetched in pages',
  'overwrite-dns': 'DNS is not touched',
  'management-diagnostics': 'a gateway cannot read a connector',
  'management-hostname': 'a gateway cannot read a connector',
  'quic-disable-pmtu-discovery': 'a link is always a WebSocket over TLS',
  'quic-connection-level-flow-control-limit': 'windows follow the measured path',
  'quic-stream-level-flow-control-limit': 'windows follow the measured path',
  'proxy-connection-timeout': 'it has had no effect for years',
  'proxy-expect-continue-timeout': 'it has had no effect for years',
  'use-reconnect-token': 'a link is registered anew each time',
  'api-email': 'there is no account',
  'api-url': 'there is no account',
  'quick-service': 'there are no tunnels without a name',
  id: 'replicas name themselves',
  ui: 'logs go to stderr',
};

/** Both tables as fields of a mapping. Typed as empty, because nobody may read their values. */
export function cloudflaredOnlyFields(): object {
  const refusedFields = Object.entries(REFUSED_CLOUDFLARED_KEYS).map(
    ([key, refusal]) => [key, refusedField(refusal)] as const,
  );
  const meaningless = Object.keys(MEANINGLESS_CLOUDFLARED_KEYS).map(
    (key) => [key, z.unknown().optional()] as const,
  );
  return Object.fromEntries([...refusedFields, ...meaningless]);
}

function refusedField({ because, instead }: Refusal) {
  const error = () => `known cloudflared key, not supported here because ${because}; ${instead}`;
  return z.undefined({ error }).optional();
}
