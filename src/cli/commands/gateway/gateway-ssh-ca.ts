/** `postern gateway ssh-ca`: the keys that sshd must trust, and their rotation. docs/access.md "SSH". */
import { PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printLines, printResult } from '../../output.ts';
import { writeTrustedKeys } from '../../gateway/trusted-keys-file.ts';

const EPILOGUE = `On each machine that people log in to, put this into a file that only root can write:

  postern gateway ssh-ca | ssh MACHINE 'sudo tee /etc/ssh/postern-ca.pub >/dev/null'
  sudo chown root:root /etc/ssh/postern-ca.pub && sudo chmod 644 /etc/ssh/postern-ca.pub

name it in /etc/ssh/sshd_config, and reload sshd:

  TrustedUserCAKeys /etc/ssh/postern-ca.pub

That lets in whoever has a certificate for one of its users, from any application. To let in
only those with a certificate for the hostname of this machine:

  AuthorizedPrincipalsCommand /bin/echo %u@ssh.example.com
  AuthorizedPrincipalsCommandUser nobody

To replace the key: --rotate, then bring both lines to every machine before the second signs.`;

export const gatewaySshCa = defineCommand({
  positionals: {},
  options: {
    write: {
      type: 'string',
      requiresArg: true,
      describe: 'Write the keys to this file of sshd, for root, with mode 0644',
    },
    rotate: { type: 'boolean', default: false, describe: 'Add a key that signs later' },
    after: {
      type: 'string',
      requiresArg: true,
      describe: 'With --rotate: how long until the new key signs  [default: 24h]',
    },
    ...ADMIN_OPTIONS,
    ...OUTPUT_OPTION,
  },
  epilogue: EPILOGUE,
  async run({ write, rotate, after, config, output }) {
    if (after !== undefined && !rotate) {
      throw new PosternError('CLI_USAGE', 'Cannot use --after: it goes with --rotate');
    }
    const keys = await withAdmin(config, (admin) =>
      rotate
        ? admin.call('ssh.rotate', { after: after ?? '24h' })
        : admin.call('ssh.authorities', {}),
    );
    const lines = keys.map(({ line }) => line);
    if (write !== undefined) {
      await writeTrustedKeys(write, lines);
      printLines(`Wrote "${write}". In sshd_config: TrustedUserCAKeys ${write}`);
    } else printResult(output, keys, () => lines);
    return EXIT.done;
  },
});
