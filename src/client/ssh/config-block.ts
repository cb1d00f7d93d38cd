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
 *
 * Hosts behind a bastion are no applications: the block names the bastion, whose key and certificate it uses, and what ssh
 * was called with is what is reached behind it. Each bastion has a block of its own, with its name in the marks.
 */
import { PosternError } from '../../core/error.ts';
import { parseRouteHostname, ROUTE_HOSTNAME_RULE } from '../../core/route-hostname.ts';
import { execWord, fileArgument } from './config-words.ts';

export interface ConfigBlock {
  /** `ssh.example.com` or `*.example.com`, at least one; behind a bastion `10.0.0.*`, too. */
  readonly hostnames: readonly string[];
  /** The application that they are behind, in normal form, where they are none themselves. */
  readonly bastion?: string | undefined;
  /** Our own command, word by word, for a command line without `--hostname`. */
  readonly proxy: readonly string[];
  /** The same for the command that gets a certificate. */
  readonly certify: readonly string[];
  /** The folder that `certify` puts keys and certificates into. */
  readonly keyFolder: string;
}

/** Hostnames that would end the quotes around `%h`, in one shell or another. */
const NOT_PLAIN = ["!*'*", String.raw`!*\*`];
/** Addresses that begin alike, as ssh has patterns. */
const ADDRESSES = /^(?:\d{1,3}\.){1,3}\*$/;

/** The block with its marker lines. Throws CLI_USAGE for a bad hostname, CLI_FAILED for a path that ssh cannot read. */
export function configBlock(options: ConfigBlock): string {
  const { hostnames, bastion, proxy, certify, keyFolder } = options;
  const patterns = hostnames.map((text) => checkPattern(text, bastion !== undefined));
  const hosts = `"${[...patterns, ...NOT_PLAIN].join(',')}"`;
  const application = bastion ?? '%h';
  const [dial, get] = [proxy, certify].map(
    (words) => `${words.map(execWord).join(' ')} --hostname '${application}'`,
  );
  const { begin, end } = blockMarks(bastion);
  return [
    begin,
    '# Written by "postern access ssh-config"; it replaces everything down to the end mark.',
    `Match host ${hosts}`,
    `  ProxyCommand ${dial}${bastion === undefined ? '' : " --destination '%h:%p'"}`,
    `Match host ${hosts} exec "${get}"`,
    `  IdentityFile ${fileArgument(`${keyFolder}/`, application)}`,
    `  CertificateFile ${fileArgument(`${keyFolder}/`, `${application}-cert.pub`)}`,
    '  IdentitiesOnly yes',
    '# What follows is for every host again.',
    'Match all',
    end,
    '',
  ].join('\n');
}

/** The lines that a block begins and ends with. */
export function blockMarks(bastion?: string): { readonly begin: string; readonly end: string } {
  const name = `postern access ssh-config${bastion === undefined ? '' : ` ${bastion}`}`;
  return { begin: `# >>> ${name} >>>`, end: `# <<< ${name} <<<` };
}

/**
 * The text of a configuration file with the block in it: in the place of the one that it has, else first, because ssh takes
 * the first value that it sees. Throws CLI_FAILED when the marks do not belong together.
 */
export function withBlock(config: string, block: string): string {
  const lines = block.trimEnd().split('\n');
  const [beginMark = '', endMark = ''] = [lines[0], lines.at(-1)];
  const [begin, end] = [config.indexOf(beginMark), config.indexOf(endMark)];
  if (begin < 0 && end < 0) return config === '' ? block : `${block}\n${config}`;
  const isTwice = config.lastIndexOf(beginMark) !== begin || config.lastIndexOf(endMark) !== end;
  if (begin < 0 || end < begin || isTwice) {
    const message = `Cannot change the configuration of ssh: "${beginMark}" and "${endMark}" must both be there once`;
    throw new PosternError('CLI_FAILED', `${message}; remove what is left of the block`);
  }
  return config.slice(0, begin) + block.trimEnd() + config.slice(end + endMark.length);
}

function checkPattern(text: string, isBehindBastion: boolean): string {
  const hostname = parseRouteHostname(text);
  if (hostname !== undefined) return hostname;
  if (isBehindBastion && ADDRESSES.test(text)) return text;
  const message = `Cannot write the configuration of ssh: "${text}" ${ROUTE_HOSTNAME_RULE}`;
  throw new PosternError('CLI_USAGE', message);
}
