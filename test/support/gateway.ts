/**
 * A gateway as people run it: `postern gateway run` in a process of its own, with a configuration and a data directory
 * of its own, on ports that stay the same when it is started again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { currentScope } from './cleanup.ts';
import { HeldSockets } from './held-sockets.ts';
import { logRecords, type LogRecord } from './json-log.ts';
import { isReady, readMetric } from './ops-client.ts';
import { sendSignal, startProcess, type ProcessExit, type TestProcess } from './processes.ts';
import { freePort } from './real/port.ts';
import { whenReady } from './real/ready.ts';
import { mustRun, posternCommand, posternEnv, run, type RunResult } from './run.ts';
import { tempDir } from './temp-dir.ts';

type Config = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  /** Laid over the generated configuration, key by key; undefined removes a key. */
  readonly config?: Config;
  /** Hostnames that get a plain TCP port each, or whole entries of `tcp:` without `listen`. See `tcpPort`. */
  readonly tcp?: readonly (string | (Config & { readonly hostname: string }))[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Has its listening sockets held by the test, as systemd holds those of a `.socket` unit. Default false. */
  readonly isSocketActivated?: boolean;
}

export interface Tunnel {
  readonly id: string;
  readonly name: string;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What `request`, `tls.connect` and `ws` need to reach a hostname through the gateway. */
export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly servername: string;
  readonly ca: string;
}

interface Ports {
  readonly https: number;
  readonly http: number;
  readonly metrics: number;
  readonly tcp: ReadonlyMap<string, number>;
}

/**
 * Starts a gateway for *.postern.test with a certificate of its own making and `default-policy: public`, and waits until
 * it is ready. The clean-up stops it.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await Gateway.create(options);
  await gateway.start();
  return gateway;
}

export class Gateway {
  readonly dir = tempDir('gateway');
  readonly configFile = join(this.dir, 'gateway.yaml');
  readonly caFile = join(this.dir, 'data', 'ca.pem');
  readonly ports: Ports;
  /** A process that a test starts again belongs to whoever made this, not to that test. */
  readonly #scope = currentScope();
  readonly #options: GatewayOptions;
  #sockets: HeldSockets | undefined;
  #process: TestProcess | undefined;

  private constructor(options: GatewayOptions, ports: Ports) {
    this.#options = options;
    this.ports = ports;
    this.configure();
  }

  /** Chooses ports and writes the configuration; nothing runs yet. For tests in which the connector comes first. */
  static async create(options: GatewayOptions = {}): Promise<Gateway> {
    const tcp = new Map<string, number>();
    for (const entry of options.tcp ?? []) tcp.set(hostnameOf(entry), await freePort());
    const [https, http, metrics] = [await freePort(), await freePort(), await freePort()];
    return new Gateway(options, { https, http, metrics, tcp });
  }

  /** What connectors dial. */
  get url(): string {
    return `https://127.0.0.1:${this.ports.https}`;
  }

  /** The PEM text of its private CA. */
  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  /** The process that runs now or ran last. */
  get process(): TestProcess {
    if (this.#process === undefined) throw new Error('Cannot name the gateway: never started');
    return this.#process;
  }

  /** Everything the process that runs now logged so far. */
  get log(): LogRecord[] {
    return logRecords(this.process.output);
  }

  /** The plain TCP port that leads to a hostname. */
  tcpPort(hostname: string): number {
    const port = this.ports.tcp.get(hostname);
    if (port === undefined)
      throw new Error(`Cannot find a TCP port for ${hostname}: none was asked for`);
    return port;
  }

  /** Writes the configuration again, with further changes. A gateway that runs does not read it. */
  configure(changes: Config = {}): void {
    const { https, http, metrics, tcp } = this.ports;
    const config = {
      domain: 'postern.test',
      'data-dir': './data',
      listen: { https: at(https), http: at(http), metrics: at(metrics) },
      'grace-period': '5s',
      'default-policy': 'public',
      tcp: (this.#options.tcp ?? []).map((entry) => {
        const hostname = hostnameOf(entry);
        return {
          ...(typeof entry === 'string' ? { hostname } : entry),
          listen: at(tcp.get(hostname) ?? 0),
        };
      }),
      ...this.#options.config,
      ...changes,
    };
    writeFileSync(this.configFile, stringify(config, { keepUndefined: false }));
  }

  /** Starts the process and waits until it is ready. */
  async start(): Promise<void> {
    const plain = posternCommand('gateway', 'run', '--config', this.configFile);
    if (this.#options.isSocketActivated === true) this.#sockets ??= await this.#holdSockets();
    const [command, args] = this.#sockets?.activate(...plain) ?? plain;
    this.#process = startProcess(command, args, {
      name: 'gateway',
      cwd: this.dir,
      env: posternEnv(this.#options.env),
      graceMs: 15_000,
      scope: this.#scope,
      descriptors: this.#sockets?.descriptors ?? [],
    });
    await whenReady(this.#process, () => isReady(this.ports.metrics));
  }

  #holdSockets(): Promise<HeldSockets> {
    const { https, http, metrics, tcp } = this.ports;
    return HeldSockets.bind([https, http, metrics, ...tcp.values()], this.#scope);
  }

  /** Ends the process as told and starts another one on the same ports and data. */
  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  /** Process ids of its workers that live, the oldest first. */
  get workers(): number[] {
    return this.process.children();
  }

  /** Kills the worker that serves, as a bug or the system would. The supervisor starts another. */
  killWorker(): void {
    const last = this.workers.at(-1);
    if (last === undefined) throw new Error('Cannot kill the worker: none lives');
    sendSignal(last, 'SIGKILL');
  }

  /** Hands over to a new worker; resolves with its generation. */
  async reload(): Promise<number> {
    const result = Object(await this.json('gateway', 'reload'));
    return Number(Reflect.get(result, 'generation'));
  }

  /** Ends the process. SIGTERM drains it first; SIGKILL is for its workers too. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessExit> {
    return this.process.stop(signal);
  }

  /** Runs `postern <words> --config gateway.yaml`, whether the gateway runs or not. Never rejects. */
  async cli(...words: readonly string[]): Promise<RunResult> {
    const [command, args] = posternCommand(...words, '--config', this.configFile);
    return run(command, args, { env: posternEnv(this.#options.env), cwd: this.dir });
  }

  /** What `postern <words> --config gateway.yaml -o json` prints. Rejects when it fails. */
  async json(...words: readonly string[]): Promise<unknown> {
    const [command, args] = posternCommand(...words, '--config', this.configFile, '-o', 'json');
    const how = { env: posternEnv(this.#options.env), cwd: this.dir };
    return JSON.parse((await mustRun(command, args, how)).stdout);
  }

  /** Makes a tunnel and leads the hostnames to it. */
  async createTunnel(name: string, hostnames: readonly string[] = []): Promise<Tunnel> {
    const tunnel = asTunnel(await this.json('tunnel', 'create', name));
    for (const hostname of hostnames) await this.json('tunnel', 'route', 'add', name, hostname);
    return tunnel;
  }

  /** The sum of all series of a metric that have these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number> {
    return readMetric(this.ports.metrics, name, labels);
  }

  /** How a client reaches a hostname over TLS. */
  connectOptions(hostname: string): ConnectOptions {
    return { host: '127.0.0.1', port: this.ports.https, servername: hostname, ca: this.ca };
  }

  /** Arguments of curl that lead `https://<hostname>/` here. */
  curlOptions(hostname: string): string[] {
    const to = `127.0.0.1:${this.ports.https}`;
    return [
      '--silent',
      '--show-error',
      '--cacert',
      this.caFile,
      '--connect-to',
      `${hostname}:443:${to}`,
    ];
  }

  /** One HTTPS request on a connection of its own, its answer read whole. For streaming, use `connectOptions`. */
  fetch(
    hostname: string,
    path = '/',
    how: {
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', headers = {}, body } = how;
      const options = { ...this.connectOptions(hostname), agent: false, path, method };
      const asked = request({ ...options, headers: { host: hostname, ...headers } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body: Buffer.concat(chunks) });
        });
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }
}

function at(port: number): string {
  return `127.0.0.1:${port}`;
}

function hostnameOf(entry: string | { readonly hostname: string }): string {
  return typeof entry === 'string' ? entry : entry.hostname;
}

function asTunnel(value: unknown): Tunnel {
  const [id, name, token] = ['id', 'name', 'token'].map((key): unknown =>
    Reflect.get(Object(value), key),
  );
  if (typeof id !== 'string' || typeof name !== 'string' || typeof token !== 'string') {
    throw new Error(`Cannot use the new tunnel: found ${JSON.stringify(value)}`);
  }
  return { id, name, token };
}
