/** What the ssh commands share: how they name the gateway to each other, and whom they get certificates from. */
import { resolve } from 'node:path';
import { hostCertificate } from '../../client/ssh/host-certificate.ts';
import type { IssuedCertificate } from '../../client/ssh/certificate-request.ts';
import { gatewayArgument } from './access-options.ts';
import { isAttended, withClientSession } from './client-session.ts';
import { printNote } from '../output.ts';
import { ownCommand } from '../own-program.ts';

export interface GatewayArguments {
  readonly gateway?: string | undefined;
  readonly ca?: string | undefined;
}

/** A command line of ours that reaches the same gateway from any folder. Secrets are in the environment, never in it. */
export function accessCommand(command: string, { gateway, ca }: GatewayArguments): string[] {
  return [
    ...ownCommand(),
    'access',
    command,
    ...(gateway === undefined ? [] : ['--gateway', gateway]),
    ...(ca === undefined ? [] : ['--ca', resolve(ca)]),
  ];
}

/** Gets a certificate for a key, signing in where that is needed; undefined where there is none to have. */
export async function certificateFor(
  hostname: string,
  publicLine: string,
  args: GatewayArguments,
  command: string,
): Promise<IssuedCertificate | undefined> {
  const address = await gatewayArgument(args, hostname);
  return withClientSession(address, command, async ({ source, http, gateway }) =>
    hostCertificate({
      source,
      http,
      gateway,
      hostname,
      publicLine,
      interactive: isAttended(),
      onNone: printNote,
    }),
  );
}
