/**
 * The argument vector of the system's ssh. It is run as it is, never through a shell.
 *
 * ssh takes the first value it sees of each setting, so ours stand before the user's: a ProxyCommand of theirs cannot lead
 * past the gateway by accident. The destination stands behind `--` (attack case L10).
 */
import { commandWord, fileArgument } from './config-words.ts';
import type { SshWords } from './ssh-words.ts';

export interface SshArguments {
  readonly words: SshWords;
  /** The command whose stdin and stdout lead to the host, word by word. */
  readonly proxy: readonly string[];
  /** A private key with its certificate beside it (`<file>-cert.pub`); undefined where the application issues none. */
  readonly identityFile?: string | undefined;
}

/** Everything behind `ssh`. Throws CLI_FAILED when a word cannot be written for ssh to read. */
export function sshArguments({ words, proxy, identityFile }: SshArguments): string[] {
  const { destination, options, command } = words;
  const { hostname, user } = destination;
  const settings = [`ProxyCommand=${proxy.map(commandWord).join(' ')}`];
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
    user === undefined ? hostname : `${user}@${hostname}`,
    ...command,
  ];
}
