/**
 * A client's link with what a command puts around it: the pass it shows, and a word on stderr when the gateway is away.
 */
import { systemClock } from '../../core/clock.ts';
import { GatewayLink } from '../../client/link/gateway-link.ts';
import { watchTrouble } from '../../client/link/link-notice.ts';
import {
  isSignedOut,
  type CredentialAsk,
  type Pass,
} from '../../client/sign-in/ensure-credential.ts';
import type { LogConfig } from '../../config/log-config.ts';
import { createLog, type Log } from '../../telemetry/log.ts';
import type { GatewayAddress } from './access-options.ts';
import { isAttended, type ClientSession } from './client-session.ts';
import { printNote } from '../output.ts';

export interface ClientLink {
  readonly link: GatewayLink;
  readonly log: Log;
  stop(): Promise<void>;
}

export interface ClientLinkOptions {
  readonly address: GatewayAddress;
  /** What will be reached over it, at least one. */
  readonly hostnames: readonly string[];
  readonly logLevel: LogConfig['level'];
  /** Why their user wants in. */
  readonly purpose: string | undefined;
}

/**
 * Signs in where a hostname wants it, and dials the gateway. Rejects with why it cannot, or will not let us in. A session
 * that is over is renewed once; one that ends later ends the streams.
 */
export async function startClientLink(
  session: ClientSession,
  options: ClientLinkOptions,
): Promise<ClientLink> {
  const { source, gateway } = session;
  const interactive = isAttended();
  for (const hostname of options.hostnames) {
    const ask: CredentialAsk = { hostname, gateway, interactive };
    // The first that wants somebody decides for all: there is one link.
    // oxlint-disable-next-line no-await-in-loop
    const { pass } = await source.ensure(ask);
    if (pass.kind === 'none') continue;
    try {
      // oxlint-disable-next-line no-await-in-loop
      return await dialWith(pass, options);
    } catch (error) {
      if (pass.kind !== 'session' || !isSignedOut(error)) throw error;
      // oxlint-disable-next-line no-await-in-loop
      const renewed = await source.renew(ask, pass.credential);
      return dialWith(renewed.pass, options);
    }
  }
  return dialWith({ kind: 'none' }, options);
}

async function dialWith(
  pass: Pass,
  { address: { gateway, ca }, logLevel, purpose }: ClientLinkOptions,
): Promise<ClientLink> {
  const log = createLog({ level: logLevel, format: 'auto', component: 'client' });
  const link = new GatewayLink({
    gateway,
    ca,
    credential: credentialOf(pass),
    purpose,
    log,
  });
  await link.start();
  const notice = watchTrouble(systemClock, { trouble: () => link.trouble, say: printNote });
  return {
    link,
    log,
    stop: async () => {
      notice.cancel();
      await link.stop();
    },
  };
}

/** A pass as links take it. */
function credentialOf(pass: Pass): string | undefined {
  if (pass.kind === 'session') return pass.credential.token;
  return pass.kind === 'none' ? undefined : `${pass.token.id}.${pass.token.secret}`;
}
