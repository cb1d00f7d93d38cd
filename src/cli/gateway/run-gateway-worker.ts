/**
 * A worker of a gateway, from its start to the order to end. It has the whole gateway; when it starts, drains and ends is
 * its supervisor's to say. docs/decisions/0020.
 *
 * Ends by itself in one case: when the supervisor is gone it drains, its sockets closed at once for the next gateway.
 */
import { once } from 'node:events';
import type { Server } from 'node:net';
import { readConfigText } from '../../config/yaml-file.ts';
import { messageOf } from '../../core/error.ts';
import { VERSION } from '../../core/version.ts';
import type { SupervisorOrders } from '../../supervisor/supervisor-link.ts';
import { SupervisorLink } from '../../supervisor/supervisor-link.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import { createLog, type Log } from '../../telemetry/log.ts';
import { gatewayConfigFile } from '../config-file.ts';
import { Deferred } from '../deferred.ts';
import { EXIT, exitCodeOf, type ExitCode } from '../exit-code.ts';
import { installCrashGuard } from '../long-running.ts';
import { configOfGateway, type GatewayArgs } from './config-of-gateway.ts';
import { supervisedControl } from './gateway-control.ts';
import { GatewayProcess } from './gateway-process.ts';
import { HandedSockets } from './handed-sockets.ts';
import { inlineFurther } from './inline-further.ts';

/** Works until it is told to end: 0 after a drain, 1 when it had to end at once. CLI_USAGE without a supervisor. */
export async function runGatewayWorker(args: GatewayArgs): Promise<ExitCode> {
  inlineFurther();
  // A terminal sends them to the whole group, and the supervisor says what becomes of it.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  const { link, welcome } = await SupervisorLink.connect();
  let worker: GatewayWorker;
  try {
    const file = gatewayConfigFile(args.config);
    const configText = welcome.configText ?? (await readConfigText(file));
    const config = await configOfGateway(args, configText);
    const log = createLog({ ...config.log, component: 'gateway' });
    installCrashGuard(log);
    for (const warning of config.warnings) log.warn(warning);
    let lastText = configText;
    const program = await GatewayProcess.start({
      config,
      log,
      load: async () => {
        lastText = await readConfigText(file);
        return configOfGateway(args, lastText);
      },
      onTaken: () => link.configChanged(lastText),
      control: supervisedControl(link),
      supervised: {
        openAdmin: async (path, server) => openAdmin(link, path, server),
        isSuccessor: welcome.isSuccessor,
        sockets: new HandedSockets(link),
        ticketKeys: Buffer.from(welcome.ticketKeys, 'base64'),
      },
    });
    worker = new GatewayWorker({ link, program, log });
    process.on('SIGTERM', () => worker.leave());
    link.obey(worker);
    link.ready({ version: VERSION, log: config.log, configText });
  } catch (error) {
    await link.failed(error);
    // What a start that failed half-way still holds must not keep the process, nor the supervisor's channel.
    process.exit(exitCodeOf(error));
  }
  return worker.ended;
}

async function openAdmin(link: SupervisorLink, path: string, server?: Server): Promise<void> {
  const name = 'admin';
  const handle = await link.openSocket({ name, place: { path }, isForOperators: true });
  if (server === undefined) {
    // Asked for, so that the supervisor keeps it; listened on when it is our turn.
    handle.close();
    return;
  }
  const listening = once(server, 'listening');
  server.listen(handle);
  await listening;
}

interface GatewayWorkerOptions {
  readonly link: SupervisorLink;
  readonly program: GatewayProcess;
  readonly log: Log;
}

class GatewayWorker implements SupervisorOrders {
  readonly #options: GatewayWorkerOptions;
  readonly #ended = new Deferred<ExitCode>();
  #isDraining = false;
  #isDrained = false;
  #isLost = false;
  #isEnding = false;

  constructor(options: GatewayWorkerOptions) {
    this.#options = options;
  }

  get ended(): Promise<ExitCode> {
    return this.#ended.promise;
  }

  /** SIGTERM: somebody wants this process gone, and nothing dropped. */
  leave(): void {
    const { link, log } = this.#options;
    if (this.#isDraining) return;
    link.call('reload').catch((err: unknown) => {
      log.error({ [FIELD.err]: err }, 'asked to leave; no successor gets ready, so it stays');
    });
  }

  active(): void {
    this.#run('open the admin socket', this.#options.program.openAdmin());
  }

  drain(reason: string, hasSuccessor: boolean): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#run('drain', this.#drain(reason, hasSuccessor));
  }

  resume(): void {
    this.#run('resume', this.#resume());
  }

  end(): void {
    this.#run('end', this.#end());
  }

  lost(): void {
    this.#isLost = true;
    if (this.#isDrained) this.end();
    else this.drain('the supervisor is gone', true);
  }

  status(): object {
    const { startedAt, ...status } = this.#options.program.status();
    return { ...status, startedAt: new Date(startedAt).toISOString() };
  }

  async #drain(reason: string, hasSuccessor: boolean): Promise<void> {
    const { program, log, link } = this.#options;
    const graceMs = program.gracePeriodMs;
    const drained = hasSuccessor ? program.handOver(graceMs) : program.drain(graceMs);
    // Said once it holds: whoever reads it can rely on nothing new being taken.
    log.info({ [FIELD.reason]: reason, [FIELD.durationMs]: graceMs }, 'draining');
    const cut = await drained;
    if (cut === undefined || this.#isEnding) return;
    this.#isDrained = true;
    if (cut === 0) log.info('drained');
    else log.warn({ [FIELD.count]: cut }, 'drained; what was left after the grace period was cut');
    if (this.#isLost) await this.#end();
    else link.drained(cut);
  }

  async #resume(): Promise<void> {
    if (!(await this.#options.program.resume())) return;
    this.#isDraining = false;
    this.#options.link.resumed();
  }

  async #end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const { program } = this.#options;
    if (!this.#isDrained) await program.stop();
    await program.release();
    this.#ended.resolve(this.#isDrained ? EXIT.done : EXIT.failed);
    if (process.connected) process.disconnect();
  }

  #run(what: string, work: Promise<void>): void {
    work.catch((err: unknown) => {
      this.#options.log.error({ [FIELD.err]: err }, `cannot ${what}: ${messageOf(err)}`);
    });
  }
}
