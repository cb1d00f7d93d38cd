/** What people are told with a new token, the only time they see it. */
import type { CreatedTunnel } from '../admin/admin-api.ts';

/** Lines for a terminal. `what` says what was done. */
export function issuedTokenLines(what: string, { id, token }: CreatedTunnel): string[] {
  return [
    `${what} (${id}).`,
    '',
    'Its token, which is shown only now:',
    `  ${token}`,
    '',
    'Put it into a file that only the connector can read, and run:',
    '  postern tunnel run --token-file FILE --gateway https://…',
  ];
}
