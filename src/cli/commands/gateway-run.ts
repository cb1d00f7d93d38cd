/** `postern gateway run`: the gateway, until a signal or `gateway drain` ends it. */
import { loadGatewayConfig } from '../../config/gateway-config.ts';
import { createLog } from '../../telemetry/log.ts';
import { defineCommand } from '../command.ts';
import { CONFIG_OPTION, gatewayConfigFile } from '../config-file.ts';
import { installCrashGuard } from '../crash-guard.ts';
import { GatewayProcess } from '../gateway-process.ts';
import { LOG_OPTIONS } from '../log-options.ts';
import { runUntilStopped } from '../run-until-stopped.ts';
import { StopSignals } from '../stop-signals.ts';

export const gatewayRun = defineCommand({
  usage: 'run',
  summary: 'Run the gateway until SIGTERM, SIGINT or "gateway drain"',
  positionals: {},
  options: { config: CONFIG_OPTION.gateway, ...LOG_OPTIONS },
  async run({ config: file, 'log-level': level, 'log-format': format }) {
    const flags = { 'log.level': level, 'log.format': format };
    const config = await loadGatewayConfig(gatewayConfigFile(file), { flags });
    const log = createLog({ ...config.log, component: 'gateway' });
    installCrashGuard(log);
    const signals = new StopSignals();
    const drain = new DrainRequest();
    try {
      const program = await GatewayProcess.start({ config, log, onDrainAsked: () => drain.ask() });
      const exitCode = await runUntilStopped({
        program,
        signals,
        graceMs: config.gracePeriodMs,
        log,
        asked: drain.asked,
        onDrained: (cut) => drain.done(cut),
      });
      await program.release();
      return exitCode;
    } finally {
      signals.release();
    }
  },
});

/** `gateway drain` on its way from the admin socket to whoever runs the gateway, and its result on the way back. */
class DrainRequest {
  /** Resolves when somebody asks. */
  readonly asked: Promise<string>;
  readonly #cut: Promise<number>;
  #onAsked: (reason: string) => void = () => undefined;
  #onDone: (cut: number) => void = () => undefined;

  constructor() {
    this.asked = new Promise((resolve) => (this.#onAsked = resolve));
    this.#cut = new Promise((resolve) => (this.#onDone = resolve));
  }

  async ask(): Promise<number> {
    this.#onAsked('gateway drain');
    return this.#cut;
  }

  done(cut: number): void {
    this.#onDone(cut);
  }
}
