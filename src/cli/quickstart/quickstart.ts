/**
 * Everything on this machine in one process: a gateway with a private CA, a tunnel, a connector and two demo services.
 *
 * Made of the same parts and the same files as the real thing, so that what is learned here is true there. Each step
 * registers how it is undone; a start that fails half-way leaves nothing open.
 */
import { basename, join } from 'node:path';
import { adminSocketPath, probeSocket } from '../../admin/admin-socket.ts';
import { loadConnectorConfig } from '../../config/connector/connector-config.ts';
import { readCredentials } from '../../config/connector/credentials-file.ts';
import { loadGatewayConfig } from '../../config/gateway-config.ts';
import type { LogConfig } from '../../config/log-config.ts';
import { PosternError } from '../../core/error.ts';
import { createLog, type Log } from '../../telemetry/log.ts';
import type { CreatedTunnel } from '../../admin/admin-api.ts';
import { ConnectorProcess } from '../connector/connector-process.ts';
import { loneControl } from '../gateway/gateway-control.ts';
import { GatewayProcess } from '../gateway/gateway-process.ts';
import type { DrainRequest } from '../gateway/drain-request.ts';
import type { LongRunning } from '../long-running.ts';
import type { DemoJourney } from './demo-journey.ts';
import { startDemoOrigins } from './demo-origins.ts';
import { freePort } from './free-port.ts';
import {
  ECHO_HOSTNAME,
  makeFolder,
  PAGE_HOSTNAME,
  TUNNEL,
  writeConnectorFile,
  writeGatewayFile,
  type QuickstartPorts,
} from './quickstart-files.ts';
import { shellWord } from './shell-word.ts';

/** Ports that are taken where they are free. */
const WANTED: QuickstartPorts = { https: 8443, echo: 7007 };
/** Nothing from the environment: the files say all, and it all happens on this machine. */
const FILE_ONLY = { env: {} };

export interface QuickstartOptions {
  readonly folder: string;
  readonly logLevel: LogConfig['level'];
  /** Told what is being done, for the error when it takes too long. */
  readonly onStep: (step: string) => void;
  readonly drain: DrainRequest;
}

export class Quickstart implements LongRunning {
  readonly #options: QuickstartOptions;
  readonly #undo: (() => unknown)[] = [];
  #ports = WANTED;
  #gateway: GatewayProcess | undefined;
  #connector: ConnectorProcess | undefined;

  constructor(options: QuickstartOptions) {
    this.#options = options;
  }

  /** Where the gateway listens. */
  get ports(): QuickstartPorts {
    return this.#ports;
  }

  /** Starts everything; resolves when a request would be answered. Throws CONFIG_*, STORE_*, and leaves nothing open. */
  async start(): Promise<void> {
    const { folder, onStep } = this.#options;
    try {
      onStep('making its files');
      await makeFolder(folder);
      await this.#refuseSecond();
      const origins = await startDemoOrigins((origin) => this.#journey(origin));
      this.#undo.push(() => origins.close());
      const https = await freePort(WANTED.https);
      this.#ports = { https, echo: await freePort(WANTED.echo, [https]) };
      onStep('starting the gateway');
      const gateway = await this.#startGateway();
      onStep('making the tunnel');
      const tunnel = await makeTunnel(gateway);
      onStep('starting the connector');
      const { pagePort, echoPort } = origins;
      const gatewayPort = https;
      await this.#startConnector(
        await writeConnectorFile(folder, { tunnel, gatewayPort, pagePort, echoPort }),
      );
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** The connector first: a gateway that goes first makes it dial again. */
  async drain(graceMs: number): Promise<number> {
    const cut = await this.#connector?.drain(graceMs);
    return (cut ?? 0) + ((await this.#gateway?.drain(graceMs)) ?? 0);
  }

  async stop(): Promise<void> {
    await this.#connector?.stop();
    await this.#gateway?.stop();
  }

  async release(): Promise<void> {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      // In reverse, one after the other.
      // oxlint-disable-next-line no-await-in-loop
      await undo();
    }
  }

  async #refuseSecond(): Promise<void> {
    const { folder } = this.#options;
    if ((await probeSocket(adminSocketPath(folder))) === 'nobody') return;
    const remedy = 'stop it, or choose another --data-dir';
    const message = `Cannot start the quickstart: one runs in "${folder}" already; ${remedy}`;
    throw new PosternError('CONFIG_PORT_IN_USE', message);
  }

  async #startGateway(): Promise<GatewayProcess> {
    const file = await writeGatewayFile(this.#options.folder, this.#ports);
    const config = await loadGatewayConfig(file, FILE_ONLY);
    const gateway = await GatewayProcess.start({
      config,
      log: this.#log('gateway'),
      control: loneControl(async () => this.#options.drain.ask()),
    });
    this.#gateway = gateway;
    this.#undo.push(async () => {
      await gateway.stop();
      await gateway.release();
    });
    return gateway;
  }

  async #startConnector(file: string): Promise<void> {
    const config = await loadConnectorConfig(file, FILE_ONLY);
    const credentials = await readCredentials(config.credentialsFile ?? file);
    const log = this.#log('connector');
    const connector = await ConnectorProcess.start({ config, credentials, log });
    this.#connector = connector;
    this.#undo.push(async () => {
      await connector.stop();
      await connector.release();
    });
    await connector.registered;
  }

  #journey(origin: string): DemoJourney {
    return {
      gateway: `127.0.0.1:${this.#ports.https}`,
      replica: this.#connector?.replica.id ?? '',
      origin,
      commands: lookAround(this.#options.folder),
    };
  }

  #log(component: string): Log {
    return createLog({ component, level: this.#options.logLevel });
  }
}

/** What shows more, as it has to be called here: from a clone there is no `postern` on the PATH. */
function lookAround(folder: string): string[] {
  const program = process.argv[1] ?? 'postern';
  const postern = basename(program) === 'postern' ? 'postern' : `node ${shellWord(program)}`;
  const config = `--config ${shellWord(join(folder, 'gateway.yaml'))}`;
  return [
    `${postern} tunnel list ${config}`,
    `${postern} tunnel info ${TUNNEL} ${config}`,
    `${postern} gateway status ${config}`,
  ];
}

/** The tunnel of the quickstart with a fresh token, and its routes. */
async function makeTunnel(gateway: GatewayProcess): Promise<CreatedTunnel> {
  const admin = gateway.operations('quickstart');
  const known = await admin.call('tunnel.list', {});
  const tunnel = known.some(({ name }) => name === TUNNEL)
    ? await admin.call('tunnel.rotate', { tunnel: TUNNEL })
    : await admin.call('tunnel.create', { name: TUNNEL });
  for (const hostname of [PAGE_HOSTNAME, ECHO_HOSTNAME]) {
    // oxlint-disable-next-line no-await-in-loop
    await admin.call('route.add', { tunnel: TUNNEL, hostname });
  }
  return tunnel;
}
