/** `postern access ssh-config`: the block of `~/.ssh/config` by which plain ssh, scp, rsync and git go through the gateway. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { clientHome } from '../../../client/client-home.ts';
import { configBlock } from '../../../client/ssh/config-block.ts';
import { installBlock } from '../../../client/ssh/install-block.ts';
import { parseSshHostname } from '../../../client/ssh/ssh-words.ts';
import { PosternError } from '../../../core/error.ts';
import { gatewayArgument, GATEWAY_OPTIONS } from '../../access/access-options.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { printLines, printText } from '../../output.ts';
import { accessCommand } from '../../access/ssh-options.ts';

export const accessSshConfig = defineCommand({
  positionals: {},
  options: {
    hostname: {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'Hostname, or *.example.com; may be given several times',
    },
    destination: {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'Host behind the bastion of --hostname, or *.internal, or 10.0.0.*; several times',
    },
    write: {
      type: 'boolean',
      default: false,
      describe: 'Put it into the file, in place of the last',
    },
    file: {
      type: 'string',
      requiresArg: true,
      describe: 'With --write: the file  [default: ~/.ssh/config]',
    },
    ...GATEWAY_OPTIONS,
  },
  async run({ hostname: hostnames = [], destination: behind, write, file, gateway, ca }) {
    if (hostnames.length === 0) {
      const message = "Cannot tell for which hosts: name them with --hostname '*.example.com'";
      throw new PosternError('CLI_USAGE', message);
    }
    // Other shells may have another environment.
    const fixed = {
      gateway: gateway ?? process.env['POSTERN_GATEWAY'],
      ca: ca ?? process.env['POSTERN_CA'],
    };
    if (fixed.gateway !== undefined) await gatewayArgument(fixed);
    const block = configBlock({
      ...(behind === undefined
        ? { hostnames }
        : { hostnames: behind, bastion: bastionOf(hostnames) }),
      proxy: accessCommand('tcp', fixed),
      certify: accessCommand('ssh-gen', fixed),
      keyFolder: join(clientHome(process.env), 'ssh'),
    });
    if (!write) {
      printText(block.trimEnd());
      return EXIT.done;
    }
    const target = file ?? join(homedir(), '.ssh', 'config');
    const isNew = await installBlock(target, block);
    printLines(`${isNew ? 'Wrote the block to' : 'The block is already in'} "${target}".`);
    return EXIT.done;
  },
});

/** Behind which application the destinations are. Throws CLI_USAGE. */
function bastionOf(hostnames: readonly string[]): string {
  const [hostname = '', ...others] = hostnames;
  if (others.length === 0) return parseSshHostname(hostname);
  const message = 'Cannot tell behind which bastion: name one with --hostname';
  throw new PosternError('CLI_USAGE', message);
}
