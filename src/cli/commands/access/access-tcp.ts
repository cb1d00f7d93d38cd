/** `postern access tcp`: a local port, or standard input and output, joined to a TCP service behind the gateway. */
import { pipeStream } from '../../../client/forward/pipe-stream.ts';
import { TcpForward } from '../../../client/forward/tcp-forward.ts';
import { loadClientConfig, type Forward } from '../../../config/client-config.ts';
import { formatListenAddress, parseListenAddress } from '../../../config/listen-address.ts';
import { formatDestination } from '../../../config/destination.ts';
import { PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { isLoopback } from '../../../core/loopback.ts';
import {
  CLIENT_LOG_OPTION,
  gatewayArgument,
  GATEWAY_OPTIONS,
  hostnameArgument,
  HOSTNAME_OPTION,
} from '../../access/access-options.ts';
import { startClientLink, type ClientLink } from '../../access/client-link.ts';
import { withClientSession } from '../../access/client-session.ts';
import { destinationArgument } from '../../access/destination-argument.ts';
import { defineCommand } from '../../command.ts';
import { EndSignal } from '../../access/end-signal.ts';
import { EXIT, type ExitCode } from '../../exit-code.ts';
import { printNote } from '../../output.ts';

const COMMAND = 'postern access tcp';

export const accessTcp = defineCommand({
  positionals: {},
  options: {
    ...HOSTNAME_OPTION,
    listen: {
      type: 'string',
      requiresArg: true,
      describe: 'Local address, such as 127.0.0.1:5432; without it: standard input and output',
    },
    destination: {
      type: 'string',
      requiresArg: true,
      describe: 'What to reach behind a bastion, such as db.internal:5432',
    },
    config: {
      type: 'string',
      requiresArg: true,
      describe: 'File with several forwards, in place of --hostname and --listen',
    },
    purpose: {
      type: 'string',
      requiresArg: true,
      describe: 'Why, where the application asks [POSTERN_PURPOSE]',
    },
    ...GATEWAY_OPTIONS,
    ...CLIENT_LOG_OPTION,
  },
  async run(args) {
    const link = { logLevel: args['log-level'], purpose: purposeArgument(args.purpose) };
    if (args.config !== undefined) {
      const { gateway, caFile: ca, forwards } = await loadClientConfig(args.config);
      const address = await gatewayArgument({
        gateway: args.gateway ?? gateway,
        ca: args.ca ?? ca,
      });
      return withClientSession(address, COMMAND, async (session) => {
        const hostnames = forwards.map(({ hostname }) => hostname);
        return serveForwards(
          await startClientLink(session, { ...link, address, hostnames }),
          forwards,
        );
      });
    }
    const hostname = hostnameArgument(args.hostname);
    const listen = args.listen === undefined ? undefined : listenArgument(args.listen);
    const destination = destinationArgument(args.destination);
    const address = await gatewayArgument(args, hostname);
    return withClientSession(address, COMMAND, async (session) => {
      const client = await startClientLink(session, { ...link, address, hostnames: [hostname] });
      return listen === undefined
        ? servePipe(client, { hostname, destination })
        : serveForwards(client, [{ hostname, listen, destination }]);
    });
  },
});

async function servePipe(
  client: ClientLink,
  { hostname, destination }: Omit<Forward, 'listen'>,
): Promise<ExitCode> {
  const signal = new EndSignal();
  try {
    const stream = await client.link.open(hostname, destination);
    const piped = pipeStream(stream, { input: process.stdin, output: process.stdout });
    await Promise.race([piped, signal.arrived]);
    return EXIT.done;
  } finally {
    signal.release();
    await client.stop();
  }
}

async function serveForwards(client: ClientLink, forwards: readonly Forward[]): Promise<ExitCode> {
  const signal = new EndSignal();
  const opened: TcpForward[] = [];
  try {
    for (const { hostname, listen, destination } of forwards) {
      if (!isLoopback(listen.host)) {
        const shown = formatListenAddress(listen);
        printNote(`${shown} is not a loopback address: others can connect as you`);
      }
      const { link, log } = client;
      const forward = new TcpForward({
        listen,
        hostname,
        destination,
        link,
        log,
        onProblem: printProblem,
      });
      opened.push(forward);
      // One after the other: the first that cannot be opened is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      const bound = await forward.open();
      const reached = destination ? `${formatDestination(destination)} by ${hostname}` : hostname;
      printNote(`${reached} is on ${formatListenAddress(bound)}`);
    }
    await signal.arrived;
    return EXIT.done;
  } finally {
    signal.release();
    for (const forward of opened) forward.close();
    await client.stop();
  }
}

function printProblem(hostname: string, error: PosternError): void {
  printNote(`${hostname}: ${error.message} (${error.code})`);
}

/** By the environment, too: ssh starts us with words of its own. Throws CLI_USAGE. */
function purposeArgument(flag: string | undefined): string | undefined {
  const purpose = (flag ?? process.env['POSTERN_PURPOSE'] ?? '').trim();
  if (purpose.length > LIMITS.auditTextChars) {
    const message = `Cannot use the purpose: it is longer than ${LIMITS.auditTextChars} characters`;
    throw new PosternError('CLI_USAGE', message);
  }
  return purpose === '' ? undefined : purpose;
}

function listenArgument(text: string): Forward['listen'] {
  const listen = parseListenAddress(text);
  if (listen !== undefined) return listen;
  const message = `Cannot use --listen "${text}": write it like 127.0.0.1:5432`;
  throw new PosternError('CLI_USAGE', message);
}
