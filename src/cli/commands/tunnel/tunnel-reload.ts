/** `postern tunnel reload`: has a running connector hand over to a new process, and waits for what becomes of it. */
import { PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { callConnector } from '../../connector/hand-over/control-client.ts';
import { findConnector } from '../../connector/hand-over/find-connector.ts';
import { parseOutcome } from '../../connector/hand-over/hand-over-message.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const tunnelReload = defineCommand({
  positionals: {
    tunnel: { type: 'string', describe: 'Name or id; needed where several connectors run' },
  },
  options: {
    pid: {
      type: 'string',
      requiresArg: true,
      describe: 'Process id of the connector, as systemd knows it',
    },
    ...OUTPUT_OPTION,
  },
  async run({ tunnel, pid, output }) {
    const { socket } = await findConnector({ tunnel, pid: parsePid(pid) });
    const outcome = parseOutcome(await callConnector(socket, 'reload'));
    printResult(output, outcome, ({ started, draining }) => [
      `Reloaded: process ${started.pid} has taken over with ${started.links} links; ` +
        `process ${draining} finishes its streams.`,
    ]);
    return EXIT.done;
  },
});

function parsePid(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new PosternError('CLI_USAGE', `Cannot read --pid "${text}": it is not a process id`);
}
