/**
 * The keys of cloudflared's file that this connector does not have: those it refuses, with the reason, and those that
 * mean nothing here and may stay. docs/config.md prints both; a test compares them.
 *
 * A key may be called meaningless only when nobody can be hurt by it having no effect.
 */
import { z } from 'zod';

const OWN_RULE = 'write it as an ingress rule';
const PRIVATE_NETWORK = 'networks are not routed, only the services of ingress rules';
const FIXED = 'the value is fixed';
const STDERR = 'logs go to stderr; let systemd or a redirection keep them';

function originRequest(key: string): string {
  return `set originRequest.${key}`;
}

/** Key → why it is refused, or what to write instead. */
export const REFUSED_CLOUDFLARED_KEYS: Readonly<Record<string, string>> = {
  token:
    'a secret does not belong in this file; put it into one of mode 0600 and name it by token-file',
  'credentials-contents': 'a secret does not belong in this file; use credentials-file',
  logfile: STDERR,
  'log-directory': STDERR,
  logDirectory: STDERR,
  pidfile: 'use systemd, or "postern tunnel ready"',
  hostname: OWN_RULE,
  name: 'create the tunnel with "postern tunnel create NAME"',
  'lb-pool': 'there are no load balancer pools; run several replicas',
  'hello-world': OWN_RULE,
  'unix-socket': OWN_RULE,
  bastion: OWN_RULE,
  socks5: OWN_RULE,
  'proxy-address': OWN_RULE,
  'proxy-port': OWN_RULE,
  'proxy-connect-timeout': originRequest('connectTimeout'),
  'proxy-tls-timeout': originRequest('tlsTimeout'),
  'proxy-tcp-keepalive': originRequest('tcpKeepAlive'),
  'proxy-no-happy-eyeballs': originRequest('noHappyEyeballs'),
  'proxy-keepalive-connections': originRequest('keepAliveConnections'),
  'proxy-keepalive-timeout': originRequest('keepAliveTimeout'),
  'http-host-header': originRequest('httpHostHeader'),
  'origin-server-name': originRequest('originServerName'),
  'origin-ca-pool': originRequest('caPool'),
  'no-tls-verify': originRequest('noTLSVerify'),
  'no-chunked-encoding': 'not supported in this version',
  'http2-origin': 'not supported in this version',
  'warp-routing': PRIVATE_NETWORK,
  'max-active-flows': PRIVATE_NETWORK,
  'dns-resolver-addrs': PRIVATE_NETWORK,
  'icmpv4-src': PRIVATE_NETWORK,
  'icmpv6-src': PRIVATE_NETWORK,
  'edge-bind-address': 'the system chooses the address to dial from',
  'post-quantum': 'the key exchange is what Node and the gateway agree on',
  'dial-edge-timeout': FIXED,
  'write-stream-timeout': FIXED,
  tag: 'origins are not told tags',
  label: 'a replica is shown by its id and host name',
  'stdin-control': 'links are made again by themselves',
  forwarders: 'a connector opens no local ports',
  resolver: 'there is no DNS proxy',
  'proxy-dns': 'there is no DNS proxy',
};

/** Key → why it means nothing here. */
export const MEANINGLESS_CLOUDFLARED_KEYS: Readonly<Record<string, string>> = {
  'no-autoupdate': 'Postern never updates itself',
  'autoupdate-freq': 'Postern never updates itself',
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
};

/** A key of cloudflared's that is refused wherever it has a value. */
export function refusedKey(reason: string) {
  const error = () => `known cloudflared key, not supported here: ${reason}`;
  return z.undefined({ error }).optional();
}

/** Both tables as fields of a mapping. Typed as empty, because nobody may read their values. */
export function cloudflaredOnlyFields(): object {
  const refused = Object.entries(REFUSED_CLOUDFLARED_KEYS).map(
    ([key, reason]) => [key, refusedKey(reason)] as const,
  );
  const meaningless = Object.keys(MEANINGLESS_CLOUDFLARED_KEYS).map(
    (key) => [key, z.unknown().optional()] as const,
  );
  return Object.fromEntries([...refused, ...meaningless]);
}
