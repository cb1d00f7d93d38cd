/** `postern access ssh`: the system's ssh, through the gateway, with a certificate where the application issues one. */
import { newClientKey } from '../../../client/ssh/client-key.ts';
import { runSsh } from '../../../client/ssh/run-ssh.ts';
import { sshArguments } from '../../../client/ssh/ssh-arguments.ts';
import { parseSshWords, type SshWords } from '../../../client/ssh/ssh-words.ts';
import { writeTemporaryKey } from '../../../client/ssh/temporary-key.ts';
import type { PassingCommand } from '../../command.ts';
import { destinationArgument } from '../../access/destination-argument.ts';
import { printNote } from '../../output.ts';
import { accessCommand, certificateFor } from '../../access/ssh-options.ts';

const HELP = `postern access ssh <host> [words..]

Run ssh through the gateway, with a certificate where there is one

The host, or user@host, comes first, then options of ssh, then the command to run there. All of
it is for ssh, but for these:

Options:
      --destination  What to reach behind a bastion, such as db.internal:22
      --gateway      Address of the gateway [POSTERN_GATEWAY, https://HOST]
      --ca           PEM file of an authority to trust for the gateway [POSTERN_CA]
  -h, --help         Show help, when it comes first

Where the application issues SSH certificates, one is made for a key that lives as long as the
command. The exit status is that of ssh.

  postern access ssh ann@ssh.example.com
  postern access ssh ssh.example.com -L 5432:localhost:5432 -A uptime
  postern access ssh ann@bastion.example.com --destination db.internal:22

For scp, rsync, git and plain ssh, see "postern access ssh-config --help".`;

const OWN = new Set(['destination', 'gateway', 'ca']);
/** What ssh ends with when the connection, and not the command there, failed. */
const SSH_FAILED = 255;

export const accessSsh: PassingCommand = {
  help: HELP,
  async run(given) {
    const words = parseSshWords(given, OWN);
    const { hostname } = words.destination;
    const behind = destinationArgument(words.own.get('destination'));
    const args = { gateway: words.own.get('gateway'), ca: words.own.get('ca') };
    const proxy = [...accessCommand('tcp', args), '--hostname', hostname];
    const key = newClientKey();
    const issued = await certificateFor(hostname, key.publicLine, args, 'postern access ssh');
    if (issued === undefined) return runSsh(sshArguments({ words, proxy, behind }));
    const kept = writeTemporaryKey(key, issued.line, process.env);
    try {
      const status = await runSsh(sshArguments({ words, proxy, behind, identityFile: kept.file }));
      if (status === SSH_FAILED) hintAtUser(words, issued.principals);
      return status;
    } finally {
      kept.remove();
    }
  },
};

/** The user of this machine, whom ssh takes where none is named, is often another one there. */
function hintAtUser({ destination }: SshWords, principals: readonly string[]): void {
  const { user, hostname } = destination;
  if (user !== undefined && principals.includes(user)) return;
  const [first = ''] = principals;
  const names = principals.join(', ');
  printNote(`If ssh was refused: your certificate is for ${names}; try ${first}@${hostname}`);
}
