/** `postern access ssh-gen`: what the block of ssh-config runs before ssh logs in, to have a certificate that is good. */
import { join } from 'node:path';
import { clientHome } from '../../../client/client-home.ts';
import { openKeptKey } from '../../../client/ssh/kept-key.ts';
import { parseSshHostname } from '../../../client/ssh/ssh-words.ts';
import { systemClock } from '../../../core/clock.ts';
import { GATEWAY_OPTIONS, HOSTNAME_OPTION } from '../../access/access-options.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { certificateFor } from '../../access/ssh-options.ts';

/** A certificate that ends sooner than this may end while ssh connects, ms. */
const LEAST_LEFT_MS = 30_000;

export const accessSshGen = defineCommand({
  positionals: {},
  options: { ...HOSTNAME_OPTION, ...GATEWAY_OPTIONS },
  async run({ hostname: written = '', gateway, ca }) {
    const hostname = parseSshHostname(written);
    const key = await openKeptKey(join(clientHome(process.env), 'ssh'), hostname);
    const leftMs = (key.expiresAt ?? 0) - systemClock.wall();
    if (leftMs > LEAST_LEFT_MS) return EXIT.done;
    const command = 'postern access ssh-gen';
    const issued = await certificateFor(hostname, key.publicLine, { gateway, ca }, command);
    // ssh asks whether there is a certificate: no is an answer, and not an error to tell people.
    if (issued === undefined) return EXIT.failed;
    await key.keep(issued.line);
    return EXIT.done;
  },
});
