/** What people are told with a new secret of a service token, the only time they see it. */
import type { NewServiceToken } from '../../admin/admin-api.ts';

/** Lines for a terminal. `what` says what was done. */
export function issuedServiceTokenLines(what: string, token: NewServiceToken): string[] {
  const { id, secret, expiresAt, previousUntil } = token;
  return [
    `${what}.`,
    '',
    'Requests carry it in two headers; the secret is shown only now:',
    `  Postern-Service-Token-Id: ${id}`,
    `  Postern-Service-Token-Secret: ${secret}`,
    ...(expiresAt === undefined ? [] : ['', `It expires at ${expiresAt}.`]),
    ...(previousUntil === undefined
      ? []
      : ['', `The secret before is good until ${previousUntil}.`]),
  ];
}

/** The argument of commands about one service token. */
export const SERVICE_TOKEN_ARGUMENT = {
  name: { type: 'string', demandOption: true, describe: 'Name of the service token' },
} as const;
