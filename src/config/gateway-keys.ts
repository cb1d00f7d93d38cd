/**
 * Which keys of the gateway's file take effect in a process that runs, and which need a new one. docs/operations.md "Changed files".
 *
 * Every key has its row: a new one does not compile without. Where a key is live, gateway.ts puts it in force in apply().
 */
import type { KeyRule } from './changed-keys.ts';
import type { GatewayConfig } from './gateway-config.ts';

type Rule = KeyRule<GatewayConfig>;

const live = (name: string): Rule => ({ name, isLive: true });
const waits = (name: string): Rule => ({ name, isLive: false });

export const GATEWAY_KEYS = {
  domain: waits('domain'),
  dataDir: waits('data-dir'),
  listen: waits('listen'),
  proxyProtocol: waits('listen.proxy-protocol'),
  trustedProxies: live('trusted-proxies'),
  plaintext: waits('plaintext'),
  tls: live('tls'),
  gracePeriodMs: live('grace-period'),
  resumeTimeoutMs: waits('resume-timeout'),
  http: live('http'),
  tcp: { name: 'tcp', isLive: (running, next) => tcpShape(running) === tcpShape(next) },
  externalPort: waits('external-port'),
  defaultPolicy: live('default-policy'),
  sessionDurationMs: live('session-duration'),
  clientSessionDurationMs: live('client-session-duration'),
  signingKeyRotationMs: waits('signing-key-rotation'),
  countryDatabase: live('country-database'),
  // Whether users are asked for a certificate is decided when the port is opened; whom they are signed by is not.
  clientCaFile: {
    name: 'client-ca',
    isLive: (running, next) =>
      (running.clientCaFile === undefined) === (next.clientCaFile === undefined),
  },
  identityProviders: waits('identity-providers'),
  groups: live('groups'),
  applications: live('applications'),
  tracing: live('tracing'),
  configWatch: live('config-watch'),
  log: { name: 'log', isLive: (running, next) => running.log.format === next.log.format },
} as const satisfies Record<Exclude<keyof GatewayConfig, 'file' | 'warnings'>, Rule>;

/** Keys that say who may do what. */
export const POLICY_KEYS: ReadonlySet<keyof GatewayConfig> = new Set([
  'applications',
  'groups',
  'defaultPolicy',
  'sessionDurationMs',
  'clientSessionDurationMs',
]);

/** Every file that the configuration names and that is read again while the gateway runs. */
export function filesOfGateway(config: GatewayConfig): string[] {
  const { tls, tcp, clientCaFile, countryDatabase } = config;
  const ports = tcp.map((port) => (port.tls?.mode === 'terminate' ? port.tls : undefined));
  const pairs = [tls, ...ports.map((port) => port?.files)].flatMap((files) =>
    files === undefined ? [] : [files.certFile, files.keyFile],
  );
  const authorities = [clientCaFile, ...ports.map((port) => port?.clientCaFile)];
  return [...pairs, ...authorities, countryDatabase].filter((file) => file !== undefined);
}

/** What of `tcp` is decided when the ports are opened: what is listened on, and how TLS is spoken there. */
function tcpShape({ tcp }: GatewayConfig): string {
  return JSON.stringify(
    tcp.map(({ listen, tls }) => {
      if (tls?.mode !== 'terminate') return [listen, tls?.mode];
      const { mode, files, clientCaFile } = tls;
      return [listen, mode, files === undefined, clientCaFile === undefined];
    }),
  );
}
