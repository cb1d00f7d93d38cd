/** `postern quickstart`: a gateway, a connector and something to reach, on this machine, with two commands to try. */
import { PosternError } from '../../core/error.ts';
import { createLog } from '../../telemetry/log.ts';
import { defineCommand } from '../command.ts';
import { DrainRequest } from '../gateway/drain-request.ts';
import { runLong } from '../long-running.ts';
import { printLines } from '../output.ts';
import { quickstartFolder } from '../quickstart/quickstart-files.ts';
import { Quickstart } from '../quickstart/quickstart.ts';
import { tryCommands } from '../quickstart/try-commands.ts';

/** How long the start may take, ms: far more than a slow machine needs. */
const START_MS = 30_000;
/** What is under way when it is stopped may take this long, ms. */
const GRACE_MS = 2_000;

export const quickstart = defineCommand({
  positionals: {},
  options: {
    'data-dir': {
      type: 'string',
      requiresArg: true,
      describe: 'Folder for its state and files [$XDG_STATE_HOME/postern/quickstart]',
    },
    verbose: { type: 'boolean', describe: 'Log what happens' },
  },
  async run({ 'data-dir': dataDir, verbose }) {
    const folder = quickstartFolder(dataDir);
    const logLevel = verbose === true ? 'info' : 'warn';
    exceptFromProxies();
    const drain = new DrainRequest();
    return runLong({
      log: createLog({ component: 'quickstart', level: logLevel }),
      graceMs: GRACE_MS,
      asked: drain.asked,
      onDrained: (cut) => drain.done(cut),
      start: async () => {
        let step = 'starting';
        const started = new Quickstart({
          folder,
          logLevel,
          drain,
          onStep: (next) => (step = next),
        });
        await inTime(started.start(), () => step);
        printLines(...greeting(await tryCommands(folder, started.ports)));
        return started;
      },
    });
  },
});

/** The connector dials this machine, which no proxy can reach. Both spellings: the lower-case one wins where it is set. */
function exceptFromProxies(): void {
  process.env['NO_PROXY'] = '*';
  process.env['no_proxy'] = '*';
}

function greeting(commands: readonly string[]): string[] {
  return [
    'A gateway, a connector and two demo services run on this machine.',
    '',
    'Try in another terminal:',
    ...commands.map((command) => `  ${command}`),
    '',
    'Stop with Ctrl-C.',
  ];
}

async function inTime(start: Promise<void>, step: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const what = `Cannot start the quickstart: still ${step()} after ${START_MS / 1000} s`;
      reject(new PosternError('CLI_FAILED', `${what}; run it with --verbose to see why`));
    }, START_MS);
  });
  try {
    await Promise.race([start, late]);
  } finally {
    clearTimeout(timer);
  }
}
