/** `postern tunnel run`: a connector, until a signal ends it. */
import { loadConnectorConfig } from '../../config/connector-config.ts';
import { PosternError } from '../../core/error.ts';
import { createLog } from '../../telemetry/log.ts';
import { defineCommand } from '../command.ts';
import { CONFIG_OPTION, connectorConfigFile } from '../config-file.ts';
import { ConnectorProcess } from '../connector-process.ts';
import { findCredentials, readTokenFile } from '../connector-token.ts';
import { installCrashGuard } from '../crash-guard.ts';
import { LOG_OPTIONS } from '../log-options.ts';
import { runUntilStopped } from '../run-until-stopped.ts';
import { StopSignals } from '../stop-signals.ts';

export const tunnelRun = defineCommand({
  usage: 'run [name]',
  summary: 'Run a connector: dial the gateway and serve the ingress rules',
  positionals: {
    name: { type: 'string', describe: 'Name or id of the tunnel; must be the one of the token' },
  },
  options: {
    config: CONFIG_OPTION.connector,
    'token-file': {
      type: 'string',
      requiresArg: true,
      describe:
        'File with the token or the JSON of "tunnel create" [POSTERN_TOKEN_FILE, or POSTERN_TOKEN itself]',
    },
    // Known, so that it can be refused with the reason.
    token: { type: 'string', hidden: true },
    gateway: {
      type: 'string',
      array: true,
      nargs: 1,
      describe:
        'Address of a gateway, such as https://gw.example.com; may be repeated [POSTERN_GATEWAY]',
    },
    ca: {
      type: 'string',
      requiresArg: true,
      describe: 'PEM file of an authority to trust [POSTERN_CA]',
    },
    url: {
      type: 'string',
      requiresArg: true,
      describe: 'Service to serve when there is no ingress [POSTERN_URL]',
    },
    metrics: {
      type: 'string',
      requiresArg: true,
      describe: 'Address for /ready and /metrics [POSTERN_METRICS]',
    },
    'grace-period': {
      type: 'string',
      requiresArg: true,
      describe: 'How long a drain may take, such as 30s',
    },
    ...LOG_OPTIONS,
  },
  async run(args) {
    refuseTokenArgument(args.token);
    const tokenFile = args['token-file'];
    // First, because what is no token is told apart from other mistakes in the configuration.
    if (tokenFile !== undefined) await readTokenFile(tokenFile);
    const config = await loadConnectorConfig(connectorConfigFile(args.config), {
      flags: {
        tunnel: args.name,
        'token-file': tokenFile,
        gateway: args.gateway,
        ca: args.ca,
        url: args.url,
        metrics: args.metrics,
        'grace-period': args['grace-period'],
        loglevel: args['log-level'],
        output: args['log-format'],
      },
    });
    const credentials = await findCredentials({ tokenFile, config });
    const log = createLog({ ...config.log, component: 'connector' });
    installCrashGuard(log);
    const signals = new StopSignals();
    try {
      const program = await ConnectorProcess.start({ config, credentials, log });
      const graceMs = config.gracePeriodMs;
      const exitCode = await runUntilStopped({ program, signals, graceMs, log });
      await program.release();
      return exitCode;
    } finally {
      signals.release();
    }
  },
});

function refuseTokenArgument(token: string | undefined): void {
  if (token === undefined) return;
  const reason = 'every user of this machine can read arguments, in ps';
  const remedy = 'put it into a file and use --token-file, or set POSTERN_TOKEN';
  throw new PosternError('CLI_USAGE', `Cannot take a token from --token: ${reason}; ${remedy}`);
}
