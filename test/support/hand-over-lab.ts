/**
 * Gateway workers in one process, as they follow each other on a machine: one database, the same listening sockets, and a
 * store of their own each, so that what one changes the others learn as they do from another process.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';

import { stringify } from 'yaml';

import { GatewayLink } from '../../src/client/link/gateway-link.ts';
import { loadConnectorConfig } from '../../src/config/connector/connector-config.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { Replica } from '../../src/connector/replica.ts';
import { PosternError } from '../../src/core/error.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { ConnectorMetrics } from '../../src/telemetry/connector-metrics.ts';
import { GatewayMetrics } from '../../src/telemetry/gateway-metrics.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { ListeningSockets, SocketAddress } from '../../src/transport/listen-on.ts';
import { cleanup } from './cleanup.ts';
import { portOf } from './real/port.ts';
import { tempDir } from './temp-dir.ts';

export interface HandOverLabOptions {
  /** Hostnames and their services. */
  readonly ingress: Readonly<Record<string, string>>;
  /** The hostname that gets a plain TCP port. */
  readonly tcp: string;
  /** Laid over the configuration of the workers. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly linkCount?: number;
}

/** One worker with what it runs on. */
export interface Worker {
  readonly gateway: Gateway;
  readonly store: Store;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: IncomingMessage['headers'];
}

export class HandOverLab {
  readonly #dir = tempDir('hand-over');
  readonly #options: HandOverLabOptions;
  readonly #sockets = new SharedSockets();
  readonly #ticketKeys = randomBytes(48);
  readonly #workers: Worker[] = [];
  #token = '';
  /** The connector, once there is one. */
  replica: Replica | undefined;

  private constructor(options: HandOverLabOptions) {
    this.#options = options;
  }

  /** One worker, and routes for all hostnames; no connector yet. */
  static async start(options: HandOverLabOptions): Promise<HandOverLab> {
    const lab = new HandOverLab(options);
    cleanup(async () => lab.#stop());
    writeFileSync(
      lab.#configFile,
      stringify({
        domain: 'postern.test',
        'data-dir': './data',
        listen: { https: '127.0.0.1:0' },
        tcp: [{ listen: '127.0.0.1:0', hostname: options.tcp }],
        'default-policy': 'public',
        ...options.config,
      }),
    );
    const { store } = await lab.next();
    const { tunnel, token } = await store.tunnels.create('web');
    lab.#token = token;
    for (const hostname of Object.keys(options.ingress)) {
      await store.routes.add(tunnel.id, hostname);
    }
    await lab.current.gateway.loadRoutes();
    return lab;
  }

  /** The worker that takes what is new. */
  get current(): Worker {
    const worker = this.#workers.at(-1);
    if (worker === undefined) throw new Error('there is no worker');
    return worker;
  }

  get tcpPort(): number {
    return this.#sockets.portOf('tcp[0]');
  }

  /** How many connections were accepted so far, on any socket. */
  get accepted(): number {
    return this.#sockets.accepted;
  }

  /** From now on nobody gets a socket, or everybody again. */
  refuseSockets(isRefused: boolean): void {
    this.#sockets.isRefused = isRefused;
  }

  /** Another worker, which takes new connections from now on. */
  async next(): Promise<Worker> {
    const config = await loadGatewayConfig(this.#configFile);
    const store = await openStore({ file: join(this.#dir, 'data', 'postern.db') });
    const gateway = new Gateway({
      config,
      store,
      log: createLog({ component: 'gateway', level: 'silent' }),
      metrics: new GatewayMetrics({ version: '0' }),
      sockets: this.#sockets,
      ticketKeys: this.#ticketKeys,
    });
    const worker = { gateway, store };
    this.#workers.push(worker);
    await gateway.start();
    return worker;
  }

  /** The current worker hands over to another; returns the drain of the one before. */
  async handOver(graceMs = 60_000): Promise<{ old: Worker; drained: Promise<number | undefined> }> {
    const old = this.current;
    await this.next();
    return { old, drained: old.gateway.drain(graceMs, { isHandOver: true }) };
  }

  /** Connects a connector; resolves when its first link is up. */
  async connect(): Promise<Replica> {
    const file = join(this.#dir, 'config.yml');
    const rules = Object.entries(this.#options.ingress);
    writeFileSync(
      file,
      stringify({
        tunnel: 'web',
        gateway: this.#url,
        ingress: [
          ...rules.map(([hostname, service]) => ({ hostname, service })),
          { service: 'http_status:404' },
        ],
      }),
    );
    const { ingress } = await loadConnectorConfig(file);
    const replica = new Replica({
      gateways: [this.#url],
      ca: this.#ca,
      token: this.#token,
      tunnelName: 'web',
      rules: ingress,
      linkCount: this.#options.linkCount ?? 4,
      log: createLog({ component: 'connector', level: 'silent' }),
      metrics: new ConnectorMetrics({ version: '0' }),
    });
    this.replica = replica;
    cleanup(async () => replica.stop());
    await replica.start();
    return replica;
  }

  /** A client's link. */
  async client(credential?: string): Promise<GatewayLink> {
    const link = new GatewayLink({
      gateway: this.#url,
      ca: this.#ca,
      credential,
      log: createLog({ component: 'client', level: 'silent' }),
    });
    cleanup(async () => link.stop());
    await link.start();
    return link;
  }

  /** An agent that keeps its connections alive. */
  agent(maxSockets: number): Agent {
    const agent = new Agent({ keepAlive: true, maxSockets });
    cleanup(() => agent.destroy());
    return agent;
  }

  /** What `https.request` and `ws` need to reach a hostname. */
  connectOptions(hostname: string) {
    const port = this.#sockets.portOf('https');
    return { host: '127.0.0.1', port, servername: hostname, ca: this.#ca };
  }

  /** One request; rejects when it gets no whole answer. */
  async ask(hostname: string, path: string, agent: Agent, body?: Buffer): Promise<Answer> {
    const asked = request({
      ...this.connectOptions(hostname),
      agent,
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: hostname, ...(body && { 'content-length': body.length }) },
    });
    asked.end(body);
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const { statusCode = 0, headers } = response;
    return { status: statusCode, headers, body: Buffer.concat(chunks) };
  }

  get #configFile(): string {
    return join(this.#dir, 'gateway.yaml');
  }

  get #url(): string {
    return `https://127.0.0.1:${this.#sockets.portOf('https')}`;
  }

  get #ca(): string {
    return readFileSync(join(this.#dir, 'data', 'ca.pem'), 'utf8');
  }

  async #stop(): Promise<void> {
    for (const { gateway, store } of this.#workers) {
      await gateway.stop();
      await store.close();
    }
    this.#sockets.close();
  }
}

/** Sockets that stay open while who takes their connections changes: the newest that listens. */
class SharedSockets implements ListeningSockets {
  readonly #open = new Map<string, { readonly server: Server; taker: Server }>();
  accepted = 0;
  isRefused = false;

  async listen(name: string, { host, port }: SocketAddress, taker: Server): Promise<SocketAddress> {
    if (this.isRefused) throw new PosternError('CONFIG_PORT_IN_USE', `Cannot listen on ${name}`);
    const known = this.#open.get(name);
    if (known === undefined) {
      const server = createServer({ allowHalfOpen: true, noDelay: true });
      const opened = { server, taker };
      server.on('connection', (socket) => {
        this.accepted += 1;
        opened.taker.emit('connection', socket);
      });
      server.listen(port, host);
      await once(server, 'listening');
      this.#open.set(name, opened);
    } else {
      known.taker = taker;
    }
    return { host, port: this.portOf(name) };
  }

  portOf(name: string): number {
    const known = this.#open.get(name);
    if (known === undefined) throw new Error(`nobody listens on ${name}`);
    return portOf(known.server);
  }

  close(): void {
    for (const { server } of this.#open.values()) server.close();
  }
}
