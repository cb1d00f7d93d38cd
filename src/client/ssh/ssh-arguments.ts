/**
 * The argument vector of the system's ssh. It is run as it is, never through a shell.
 *
 * ssh takes the first value it sees of each setting, so ours stand before the user's: a ProxyCommand of theirs cannot lead
 * past the gateway by accident. The destination stands behind `--` (attack case L10).
 *
 * Behind a bastion there are many hosts. ssh is told the one that is reached, and not the bastion: host keys, settings and
 * shared connections (`known_hosts`, `Host …`, `ControlPath`) are of that host.
 */
import { formatDestination, type Destination } from '../../config/destination.ts';
import { commandWord, fileArgument } from './config-words.ts';
import type { SshWords } from './ssh-words.ts';

export interface SshArguments {
  readonly words: SshWords;
  /** The command whose stdin and stdout lead to the host, word by word. */
  readonly proxy: readonly string[];
  /** What is reached behind the host, where that is a bastion. */
  readonly behind?: Destination | undefined;
  /** A private key with its certificate beside it (`<file>-cert.pub`); undefined where the application issues none. */
  readonly identityFile?: string | undefined;
}

/** Everything behind `ssh`. Throws CLI_FAILED when a word cannot be written for ssh to read. */
export function sshArguments({ words, proxy, behind, identityFile }: SshArguments): string[] {
  const { destination, options, command } = words;
  const { hostname, user } = destination;
  const target = behind?.host ?? hostname;
  const through =
    behind === undefined ? proxy : [...proxy, '--destination', formatDestination(behind)];
  const settings = [`ProxyCommand=${through.map(commandWord).join(' ')}`];
  if (behind !== undefined) settings.push(`Port=${behind.port}`);
  if (identityFile !== undefined) {
    settings.push(`IdentityFile=${fileArgument(identityFile)}`);
    settings.push(`CertificateFile=${fileArgument(`${identityFile}-cert.pub`)}`);
    // With the keys of an agent before it, sshd would hang up before the certificate's turn.
    settings.push('IdentitiesOnly=yes');
  }
  return [
    ...settings.flatMap((setting) => ['-o', setting]),
    ...options,
    '--',
    user === undefined ? target : `${user}@${target}`,
    ...command,
  ];
}
