/** What the SSH certificates of an application may do: `ssh:` in the gateway's file. */
import { z } from 'zod';
import { PosternError } from '../../core/error.ts';
import { duration, expected, list, mapping, oneOf, parsed, text } from '../field.ts';
import { parseIpRange } from './ip-range.ts';

const SSH_EXTENSIONS = [
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
] as const;

/** What a certificate permits beyond running a command. */
type SshExtension = (typeof SSH_EXTENSIONS)[number];

/** Which accounts of a machine a certificate opens. */
export type SshPrincipals =
  /** What stands before the `@` of the e-mail address. */
  | { readonly from: 'email-prefix' }
  /** The claim's text, or each text of its list. */
  | { readonly from: 'claim'; readonly name: string }
  /** These, whoever it is. */
  | { readonly from: 'list'; readonly names: readonly string[] };

/** How certificates are issued to those whom the application lets in. */
export interface SshAccess {
  readonly principals: SshPrincipals;
  /** The longest a certificate is valid, ms; it never outlasts the session. */
  readonly maxValidityMs: number;
  readonly extensions: readonly SshExtension[];
  /** From where a certificate works, as sshd sees it, which is the connector's address; empty: from everywhere. */
  readonly sourceAddresses: readonly string[];
}

/** A certificate cannot be called back, so it is short. */
const VALIDITY = { least: 30_000, most: 15 * 60_000 } as const;

const accountName = text('the name of an account').regex(/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}$/, {
  error: 'is not the name of an account; use up to 64 letters, digits and ._@-',
});

const principals = z
  .union(
    [
      z.literal('email-prefix'),
      mapping({ claim: text('the name of a claim') }),
      list(accountName).min(1, { error: 'is empty; name an account, or write email-prefix' }),
    ],
    { error: expected('email-prefix, { claim: NAME }, or a list of accounts') },
  )
  .transform((written): SshPrincipals => {
    if (written === 'email-prefix') return { from: 'email-prefix' };
    if (Array.isArray(written)) return { from: 'list', names: written };
    return { from: 'claim', name: written.claim };
  });

/** The text, once it is known to be what sshd reads: it refuses a certificate with anything else. */
function networkText(written: string): string {
  const { text: network } = parseIpRange(written);
  if (!network.toLowerCase().startsWith('::ffff:')) return network;
  throw new PosternError('CONFIG_INVALID', `"${written}" is an IPv4 address; write it as one`);
}

/** `ssh` of an application. */
export const sshAccessSchema = mapping({
  principals: principals.prefault('email-prefix'),
  'max-validity': duration(VALIDITY).prefault('5m'),
  extensions: list(oneOf(SSH_EXTENSIONS)).default([
    'permit-agent-forwarding',
    'permit-port-forwarding',
    'permit-pty',
    'permit-user-rc',
  ]),
  'source-address': list(parsed('an address or network such as 192.0.2.0/24', networkText)).default(
    [],
  ),
}).transform(
  ({ 'max-validity': maxValidityMs, 'source-address': sourceAddresses, ...rest }): SshAccess => ({
    ...rest,
    maxValidityMs,
    sourceAddresses,
  }),
);
