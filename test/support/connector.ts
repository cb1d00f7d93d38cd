/**
 * A connector as people run it: `postern tunnel run` in a process of its own, with a config.yml of its own.
 *
 * Its links go straight to the gateway, or through whatever a test puts between them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { currentScope } from './cleanup.ts';
import type { Gateway, Tunnel } from './gateway.ts';
import { logRecords, type LogRecord } from './json-log.ts';
import { isReady, metricBecomes, readMetric } from './ops-client.ts';
import { startProcess, type ProcessExit, type TestProcess } from './processes.ts';
import { freePort } from './real/port.ts';
import { whenReady } from './real/ready.ts';
import { posternCommand, posternEnv } from './run.ts';
import { tempDir } from './temp-dir.ts';

/** One ingress rule as config.yml has it. */
export interface IngressEntry {
  readonly hostname?: string;
  readonly path?: string;
  readonly service: string;
  readonly originRequest?: Readonly<Record<string, unknown>>;
  readonly 'health-check'?: Readonly<Record<string, unknown>>;
  readonly rewrite?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
}

export interface ConnectorOptions {
  readonly gateway: Gateway;
  /** A rule that catches all, `http_status:404`, is added where the last one does not. */
  readonly ingress: readonly IngressEntry[];
  /** Who it runs as. Default: a new tunnel to which the hostnames of the ingress are routed. */
  readonly tunnel?: Tunnel;
  /** What it dials instead of the gateway, link proxies for example; links are spread over them. */
  readonly via?: readonly { readonly port: number }[];
  /** Laid over the generated configuration, key by key; undefined removes a key. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A command that runs the connector in its own place, such as `unshare …`: its words come before those of the connector. */
  readonly inside?: readonly string[];
  /** Runs this file in the place of bin/postern.js. */
  readonly program?: string;
  /** Where the token is kept, instead of in the environment. Written here. */
  readonly tokenFile?: string;
  /** Default true. False returns at once: for a connector that is to wait for its gateway. */
  readonly waitUntilReady?: boolean;
}

/** How many links a connector opens by default. */
const LINKS = 4;

let created = 0;

/** Starts a connector, and waits until it is registered unless told otherwise. The clean-up stops it. */
export async function startConnector(options: ConnectorOptions): Promise<Connector> {
  const tunnel = options.tunnel ?? (await createTunnel(options));
  const connector = new Connector(options, tunnel, await freePort());
  connector.start();
  if (options.waitUntilReady !== false) await connector.ready();
  return connector;
}

export class Connector {
  readonly dir = tempDir('connector');
  readonly configFile = join(this.dir, 'config.yml');
  readonly tunnel: Tunnel;
  readonly metricsPort: number;
  /** A process that a test starts again belongs to whoever made this, not to that test. */
  readonly #scope = currentScope();
  readonly #options: ConnectorOptions;
  #process: TestProcess | undefined;

  constructor(options: ConnectorOptions, tunnel: Tunnel, metricsPort: number) {
    this.#options = options;
    this.tunnel = tunnel;
    this.metricsPort = metricsPort;
    this.configure(options.ingress);
  }

  /** The process that runs now or ran last. */
  get process(): TestProcess {
    if (this.#process === undefined) throw new Error('Cannot name the connector: never started');
    return this.#process;
  }

  get #links(): number {
    return Number(this.#options.config?.['ha-connections'] ?? LINKS);
  }

  /** Everything the process that runs now logged so far. */
  get log(): LogRecord[] {
    return logRecords(this.process.output);
  }

  /** Writes the configuration again, with other rules and further changes. */
  configure(
    ingress: readonly IngressEntry[],
    changes: Readonly<Record<string, unknown>> = {},
  ): void {
    const { gateway, via } = this.#options;
    const urls = via?.map(({ port }) => `https://127.0.0.1:${port}`) ?? [gateway.url];
    const last = ingress.at(-1);
    const catchesAll = last !== undefined && last.hostname === undefined && last.path === undefined;
    const config = {
      gateway: urls.length === 1 ? urls[0] : urls,
      ca: gateway.caFile,
      metrics: `127.0.0.1:${this.metricsPort}`,
      'grace-period': '5s',
      ingress: catchesAll ? ingress : [...ingress, { service: 'http_status:404' }],
      ...this.#options.config,
      ...changes,
    };
    writeFileSync(this.configFile, stringify(config, { keepUndefined: false }));
  }

  /** Starts the process; `ready` tells when it is registered. */
  start(): void {
    const { name, token } = this.tunnel;
    const { program, tokenFile } = this.#options;
    const run = ['tunnel', 'run', name, '--config', this.configFile];
    if (tokenFile !== undefined) {
      writeFileSync(tokenFile, token, { mode: 0o600 });
      run.push('--token-file', tokenFile);
    }
    const [node, own] = posternCommand(...run);
    const words = program === undefined ? own : [program, ...run];
    const [command = node, ...args] = [...(this.#options.inside ?? []), node, ...words];
    this.#process = startProcess(command, args, {
      name: `connector ${name}`,
      cwd: this.dir,
      // A place of its own for its control socket: other tests run at the same time.
      env: posternEnv({
        ...(tokenFile === undefined && { POSTERN_TOKEN: token }),
        RUNTIME_DIRECTORY: this.dir,
        ...this.#options.env,
      }),
      graceMs: 15_000,
      scope: this.#scope,
    });
  }

  /** Resolves when a link is registered. Rejects with its log at the deadline, or when it ended. */
  ready(deadlineMs = 60_000): Promise<void> {
    return whenReady(this.process, () => isReady(this.metricsPort), deadlineMs);
  }

  /** Resolves when that many links are registered: all of them, unless told otherwise. */
  linksUp(count = this.#links, deadlineMs = 60_000): Promise<void> {
    return metricBecomes(this.metricsPort, 'postern_connector_links', count, deadlineMs);
  }

  /** Ends the process as told and starts another one of the same tunnel. */
  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    this.start();
    await this.ready();
  }

  /** Ends the process. SIGTERM drains it first. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessExit> {
    return this.process.stop(signal);
  }

  /** The sum of all series of a metric that have these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number> {
    return readMetric(this.metricsPort, name, labels);
  }
}

function createTunnel({ gateway, ingress }: ConnectorOptions): Promise<Tunnel> {
  created += 1;
  const named = ingress.flatMap(({ hostname }) => (hostname === undefined ? [] : [hostname]));
  return gateway.createTunnel(`tunnel-${created}`, [...new Set(named)]);
}
