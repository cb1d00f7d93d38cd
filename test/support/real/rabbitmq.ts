/**
 * RabbitMQ in the foreground with everything of its own: node name, cookie, database, ports and Erlang port mapper.
 *
 * All of it listens on the loopback only. The port mapper is started here, since the one that Erlang would start by
 * itself becomes a daemon that outlives the broker.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { connect } from 'amqplib';

import { startProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { freePort } from './port.ts';
import { tryConnect, whenReady } from './ready.ts';

export interface RabbitMq {
  readonly port: number;
  /** The service as an ingress rule names it: `tcp://127.0.0.1:<port>`. */
  readonly service: string;
  /** A connection string, for its own port or another one that leads to it. */
  readonly url: (port?: number) => string;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

/** Erlang and the broker take some ten seconds on two busy cores. */
const START_LIMIT_MS = 110_000;

/** Starts the broker and connects to it once. Give the hook that calls this two minutes. The clean-up stops it. */
export async function startRabbitMq(): Promise<RabbitMq> {
  requireTools('rabbitmq-server', 'epmd');
  const dir = tempDir('rabbit');
  const [port, mapperPort, nodePort] = [await freePort(), await freePort(), await freePort()];
  const mapper = startProcess(
    toolPath('epmd'),
    ['-port', String(mapperPort), '-address', '127.0.0.1'],
    { name: 'epmd' },
  );
  await whenReady(mapper, () => tryConnect(mapperPort));

  const server = startProcess(toolPath('rabbitmq-server'), [], {
    name: 'rabbitmq-server',
    cwd: dir,
    env: brokerEnv(dir, { port, mapperPort, nodePort }),
    graceMs: 20_000,
  });
  const url = (through = port): string => `amqp://guest:guest@127.0.0.1:${through}`;
  const tryAmqp = async (): Promise<void> => {
    const connection = await connect(url(), { timeout: 5000 });
    await connection.close();
  };
  await whenReady(server, tryAmqp, START_LIMIT_MS);
  return {
    port,
    service: `tcp://127.0.0.1:${port}`,
    url,
    log: () => server.stdout,
    stop: async () => {
      await server.stop();
      await mapper.stop();
    },
  };
}

interface Ports {
  readonly port: number;
  readonly mapperPort: number;
  readonly nodePort: number;
}

function brokerEnv(dir: string, { port, mapperPort, nodePort }: Ports): Record<string, string> {
  const at = (name: string): string => join(dir, name);
  mkdirSync(at('home'));
  writeFileSync(at('enabled_plugins'), '[].\n');
  writeFileSync(at('env.conf'), '');
  const config = [
    `listeners.tcp.default = 127.0.0.1:${port}`,
    'log.console = true',
    'log.console.level = info',
    'log.file = false',
  ];
  writeFileSync(at('rabbitmq.conf'), `${config.join('\n')}\n`);
  return {
    HOME: at('home'),
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `postern-${randomBytes(4).toString('hex')}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_DIST_PORT: String(nodePort),
    RABBITMQ_MNESIA_BASE: at('mnesia'),
    RABBITMQ_LOG: '-color',
    RABBITMQ_LOG_BASE: at('log'),
    RABBITMQ_GENERATED_CONFIG_DIR: at('generated'),
    RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: at('env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The script then becomes the broker instead of a parent of it; it reads no input all the same.
    RABBITMQ_ALLOW_INPUT: 'yes',
    RABBITMQ_SERVER_START_ARGS: '-noinput',
  };
}
