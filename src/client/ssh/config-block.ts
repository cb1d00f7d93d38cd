/**
 * The part of `~/.ssh/config` that makes plain `ssh`, `scp`, `sftp`, `rsync` and `git` go through Postern.
 *
 * Two sections for the same hosts: the first gives every connection its way, the second asks for a certificate and adds it
 * where there is one. They are apart so that a certificate that cannot be had never turns into a connection past the
 * gateway.
 *
 * ssh puts the hostname of the user's command line into ours (`%h`) and gives it to a shell. It stands in single quotes,
 * and a hostname with a quote or a backslash in it does not match the section (attack case L11; OpenSSH before 9.6 lets
 * any hostname through).
 */
import { PosternError } from '../../core/error.ts';
import { parseRouteHostname, ROUTE_HOSTNAME_RULE } from '../../core/route-hostname.ts';
import { execWord, fileArgument } from './config-words.ts';

export interface ConfigBlock {
  /** `ssh.example.com` or `*.example.com`, at least one. */
  readonly hostnames: readonly string[];
  /** Our own command, word by word, for a command line without `--hostname`. */
  readonly proxy: readonly string[];
  /** The same for the command that gets a certificate. */
  readonly certify: readonly string[];
  /** The folder that `certify` puts keys and certificates into. */
  readonly keyFolder: string;
}

export const BLOCK_BEGIN = '# >>> postern access ssh-config >>>';
export const BLOCK_END = '# <<< postern access ssh-config <<<';

const HOSTNAME = "--hostname '%h'";
/** Hostnames that would end the quotes around `%h`, in one shell or another. */
const NOT_PLAIN = ["!*'*", String.raw`!*\*`];

/** The block with its marker lines. Throws CLI_USAGE for a bad hostname, CLI_FAILED for a path that ssh cannot read. */
export function configBlock({ hostnames, proxy, certify, keyFolder }: ConfigBlock): string {
  const hosts = `"${[...hostnames.map(checkPattern), ...NOT_PLAIN].join(',')}"`;
  const file = `${keyFolder}/`;
  const [dial, get] = [proxy, certify].map(
    (words) => `${words.map(execWord).join(' ')} ${HOSTNAME}`,
  );
  return [
    BLOCK_BEGIN,
    '# Written by "postern access ssh-config"; it replaces everything down to the end mark.',
    `Match host ${hosts}`,
    `  ProxyCommand ${dial}`,
    `Match host ${hosts} exec "${get}"`,
    `  IdentityFile ${fileArgument(file, '%h')}`,
    `  CertificateFile ${fileArgument(file, '%h-cert.pub')}`,
    '  IdentitiesOnly yes',
    '# What follows is for every host again.',
    'Match all',
    BLOCK_END,
    '',
  ].join('\n');
}

/**
 * The text of a configuration file with the block in it: in the place of the one that it has, else first, because ssh takes
 * the first value that it sees. Throws CLI_FAILED when the marks do not belong together.
 */
export function withBlock(config: string, block: string): string {
  const [begin, end] = [config.indexOf(BLOCK_BEGIN), config.indexOf(BLOCK_END)];
  if (begin < 0 && end < 0) return config === '' ? block : `${block}\n${config}`;
  const isTwice =
    config.lastIndexOf(BLOCK_BEGIN) !== begin || config.lastIndexOf(BLOCK_END) !== end;
  if (begin < 0 || end < begin || isTwice) {
    const message = `Cannot change the configuration of ssh: "${BLOCK_BEGIN}" and "${BLOCK_END}" must both be there once`;
    throw new PosternError('CLI_FAILED', `${message}; remove what is left of the block`);
  }
  return config.slice(0, begin) + block.trimEnd() + config.slice(end + BLOCK_END.length);
}

function checkPattern(text: string): string {
  const hostname = parseRouteHostname(text);
  if (hostname !== undefined) return hostname;
  const message = `Cannot write the configuration of ssh: "${text}" ${ROUTE_HOSTNAME_RULE}`;
  throw new PosternError('CLI_USAGE', message);
}
