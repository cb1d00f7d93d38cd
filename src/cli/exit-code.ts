/** The exit statuses of `postern`, documented in docs/operations.md "Exit status". They are API. */
import { codeOf } from '../core/error.ts';

export const EXIT = {
  done: 0,
  /** The command was understood and could not be carried out. */
  failed: 1,
  /** The command line or a configuration file is wrong. */
  usage: 2,
  /** A token is not one, or is not accepted; nobody is signed in, or no longer. */
  refused: 3,
  /** Whoever is signed in may not do this. */
  denied: 4,
  /** A newer version exists: `update --check`. */
  outdated: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** ADMIN_BAD_REQUEST: a name or hostname that cannot be one was written as an argument. */
const USAGE_CODES = new Set(['CLI_USAGE', 'ADMIN_BAD_REQUEST']);

const REFUSED_CODES = new Set([
  'REGISTER_REFUSED',
  'REGISTER_REVOKED',
  'ACCESS_SIGN_IN',
  'ACCESS_REVOKED',
]);

/** The exit status for something that was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  const code = codeOf(error) ?? '';
  if (USAGE_CODES.has(code) || code.startsWith('CONFIG_')) return EXIT.usage;
  if (REFUSED_CODES.has(code)) return EXIT.refused;
  if (code === 'ACCESS_DENIED' || code === 'ACCESS_PURPOSE') return EXIT.denied;
  return EXIT.failed;
}
