/**
 * A gateway, a connector and origins for mixed load: web and a plain TCP port for everybody, the rest for somebody who is
 * signed in, so that every stream that is attached again is judged again.
 */
import { join } from 'node:path';

import { signedInClient } from '../client-login.ts';
import { startForward, type RunningForward } from '../client.ts';
import { startConnector, type Connector } from '../connector.ts';
import { Exchanges } from '../exchange.ts';
import { startGateway, type Gateway } from '../gateway.ts';
import { startLinkProxy, type LinkProxy } from '../link-proxy.ts';
import { startHttpOrigin, type HttpOrigin } from '../real/http-origin.ts';
import { freePort } from '../real/port.ts';
import { startSshd } from '../real/sshd.ts';
import { startEcho } from '../real/tcp-origin.ts';
import { posternCommand, posternEnv } from '../run.ts';

export const HOSTS = {
  web: 'web.postern.test',
  raw: 'raw.postern.test',
  db: 'db.postern.test',
  echo: 'echo.postern.test',
  ssh: 'ssh.postern.test',
} as const;

/** Who is let in to everything. */
export const ANN = {
  provider: 'local',
  subject: 'ann',
  email: 'ann@example.com',
  groups: ['staff'],
  methods: ['pwd'],
  claims: {},
};

/** Longer than any silence that a test makes. */
const RESUME_TIMEOUT = '20s';

/** Between two lines that the far end of an SSH session tells, ms. */
const TOLD_EVERY_MS = 20;

export interface LoadLabOptions {
  /** Of the gateway, as it is configured; a connector that is replaced finishes what it has. */
  readonly gracePeriod: string;
  /** Whether links go through link proxies that can be broken. Default false. */
  readonly isBreakable?: boolean;
  /** Whether the gateway's sockets outlive it. Default false. */
  readonly isSocketActivated?: boolean;
  /** Laid over the environment of every process of ours. */
  readonly env?: Readonly<Record<string, string>>;
}

interface Command {
  readonly command: readonly [string, readonly string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface LoadLab {
  readonly gateway: Gateway;
  readonly connector: Connector;
  readonly web: HttpOrigin;
  readonly exchanges: Exchanges;
  /** `access tcp --listen`, one process for each hostname. */
  readonly forwards: readonly RunningForward[];
  /** The gateway's own port for raw, and the local ones of the forwards. */
  readonly ports: { readonly raw: number; readonly db: number; readonly echo: number };
  readonly commands: { readonly ssh: Command; readonly stdio: Command };
  /** Between connector and gateway, and between clients and gateway, where they are breakable. */
  readonly paths: { readonly connector: LinkProxy; readonly client: LinkProxy } | undefined;
}

export async function startLoadLab(options: LoadLabOptions): Promise<LoadLab> {
  const { gracePeriod, isBreakable = false, isSocketActivated = false, env: marks = {} } = options;
  const [web, exchanges, echo, sshd] = await Promise.all([
    startHttpOrigin({ port: await freePort() }),
    Exchanges.start(),
    startEcho(),
    startSshd(),
  ]);
  const gateway = await startGateway({
    tcp: [HOSTS.raw],
    config: configOf(gracePeriod),
    env: marks,
    isSocketActivated,
  });
  const toGateway = { target: { port: gateway.ports.https } };
  const paths = isBreakable
    ? { connector: await startLinkProxy(toGateway), client: await startLinkProxy(toGateway) }
    : undefined;
  const connector = await startConnector({
    gateway,
    ...(paths === undefined ? {} : { via: [paths.connector] }),
    config: { 'grace-period': undefined },
    env: marks,
    ingress: [
      { hostname: HOSTS.web, service: web.service },
      { hostname: HOSTS.raw, service: exchanges.origin.service },
      { hostname: HOSTS.db, service: exchanges.origin.service },
      { hostname: HOSTS.echo, service: echo.service },
      { hostname: HOSTS.ssh, service: sshd.service },
    ],
  });
  await connector.linksUp();
  const { env: own } = await signedInClient(gateway, ANN);
  const dialled = paths?.client.port ?? gateway.ports.https;
  const env = { ...own, ...marks, POSTERN_GATEWAY: `https://127.0.0.1:${dialled}` };
  const [db, typing] = await Promise.all(
    [HOSTS.db, HOSTS.echo].map((hostname) => startForward({ gateway, hostname, env })),
  );
  if (db === undefined || typing === undefined) throw new Error('Cannot start the forwards');
  const toHost = posternCommand('access', 'ssh', HOSTS.ssh, ...sshd.clientOptions());
  toHost[1].push(process.execPath, NUMBERED_LINES, String(TOLD_EVERY_MS));
  const commandEnv = posternEnv(env);
  return {
    gateway,
    connector,
    web,
    exchanges,
    forwards: [db, typing],
    ports: { raw: gateway.tcpPort(HOSTS.raw), db: db.port, echo: typing.port },
    commands: {
      ssh: { command: toHost, env: commandEnv },
      stdio: {
        command: posternCommand('access', 'tcp', '--hostname', HOSTS.echo),
        env: commandEnv,
      },
    },
    paths,
  };
}

const NUMBERED_LINES = join(import.meta.dirname, 'numbered-lines.js');

function configOf(gracePeriod: string): Readonly<Record<string, unknown>> {
  const policies = [{ action: 'allow', include: [{ group: 'staff' }] }];
  const guarded = [HOSTS.db, HOSTS.echo, HOSTS.ssh];
  return {
    'grace-period': gracePeriod,
    'resume-timeout': RESUME_TIMEOUT,
    'identity-providers': [{ id: 'local', type: 'local' }],
    applications: guarded.map((hostname) => ({
      name: hostname.split('.')[0],
      hostname,
      policies,
    })),
  };
}
