/**
 * A client's link with what a command puts around it: its credential, and a word on stderr when the gateway is away.
 */
import { PosternError } from '../core/error.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayLink } from '../client/link/gateway-link.ts';
import { LinkNotice } from '../client/link/link-notice.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { GatewayAddress } from './access-options.ts';
import { printNote } from './output.ts';

export interface ClientLink {
  readonly link: GatewayLink;
  readonly log: Log;
  stop(): Promise<void>;
}

/** Dials the gateway. Rejects with why it cannot, or will not let us in. */
export async function startClientLink(
  { gateway, ca }: GatewayAddress,
  options: { readonly logLevel: LogConfig['level']; credential(): Promise<string | undefined> },
): Promise<ClientLink> {
  const log = createLog({ level: options.logLevel, format: 'auto', component: 'client' });
  const notice = new LinkNotice(systemClock, printNote);
  const link = new GatewayLink({
    gateway,
    ca,
    log,
    credential: () => options.credential(),
    onState: (state) => notice.onState(state),
  });
  await link.start();
  return {
    link,
    log,
    stop: async () => {
      notice.stop();
      await link.stop();
    },
  };
}

/** The service token of the environment, as links take it. A program that has one signs nobody in. */
export async function serviceToken(): Promise<string | undefined> {
  const id = process.env['POSTERN_SERVICE_TOKEN_ID'] ?? '';
  const secret = process.env['POSTERN_SERVICE_TOKEN_SECRET'] ?? '';
  if (id === '' && secret === '') return undefined;
  if (id !== '' && secret !== '') return `${id}.${secret}`;
  const missing = id === '' ? 'POSTERN_SERVICE_TOKEN_ID' : 'POSTERN_SERVICE_TOKEN_SECRET';
  throw new PosternError('CLI_USAGE', `Cannot use the service token: ${missing} is not set`);
}
