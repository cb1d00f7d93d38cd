/** What is told of a connection to the HTTP listeners that is refused, or ended because its user went too far. */
import type { Socket } from 'node:net';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Refusal } from '../../telemetry/refusal-log.ts';
import { clientOf } from './client-address.ts';

/** The same for each of them: where somebody came, from where, and why not. The address is asked while there is one. */
export function connectionRefusal(
  socket: Socket,
  {
    message = 'connection refused',
    listener,
    error,
  }: Omit<Refusal, 'fields' | 'message'> & {
    readonly message?: string;
  },
): Refusal {
  const { address } = clientOf(socket);
  return { message, listener, error, fields: () => ({ [FIELD.client]: address }) };
}
