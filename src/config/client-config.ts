/**
 * The client's file of forwards: several local ports in one process. docs/config.md "The client's file".
 *
 * What comes out is complete, and every file it names is readable. One forward needs no file: flags say it all.
 */
import { ConfigSource } from './config-source.ts';
import { parseDestination, type Destination } from './destination.ts';
import { list, listenAddress, mapping, parsed, text } from './field.ts';
import { parseGatewayUrl } from './gateway-url.ts';
import { parseHostname } from './hostname-pattern.ts';
import { clashes, formatListenAddress, type ListenAddress } from './listen-address.ts';
import { checkCaFile } from './pem-file.ts';
import { readYamlFile } from './yaml-file.ts';

/** A local port and the hostname that its connections go to. */
export interface Forward {
  readonly listen: ListenAddress;
  /** Normal form. */
  readonly hostname: string;
  /** What to reach there, where the service leaves that to its users. */
  readonly destination?: Destination | undefined;
}

export interface ClientConfig {
  /** Origin of the gateway. */
  readonly gateway: string;
  /** Absolute; authorities trusted besides the system's. */
  readonly caFile?: string | undefined;
  /** At least one. */
  readonly forwards: readonly Forward[];
}

/** The whole file. */
export const clientSchema = mapping({
  gateway: parsed('an address such as https://gateway.example.com', parseGatewayUrl),
  ca: text('the name of a PEM file').optional(),
  forwards: list(
    mapping({
      hostname: parsed('a hostname such as db.example.com', parseHostname),
      listen: listenAddress(),
      destination: parsed('an address such as db.internal:5432', parseDestination).optional(),
    }),
  ).min(1, { error: 'is empty; add a forward with hostname and listen' }),
});

/** Reads and checks the file. Throws CONFIG_* with one line that names the place, the key, what is wrong and what to do. */
export async function loadClientConfig(file: string): Promise<ClientConfig> {
  const source = new ConfigSource(await readYamlFile(file), {}, {});
  const { gateway, ca, forwards } = source.parse(clientSchema);
  for (const [at, { listen }] of forwards.entries()) {
    const other = forwards.findIndex((earlier) => clashes(earlier.listen, listen));
    if (other === at || other === -1) continue;
    const problem = `${formatListenAddress(listen)} clashes with forwards[${other}].listen`;
    const path = ['forwards', at, 'listen'];
    throw source.problem('CONFIG_INVALID', path, `${problem}; give each forward its own port`);
  }
  const caFile = ca === undefined ? undefined : await checkCaFile(source, ['ca'], ca);
  return { gateway, caFile, forwards };
}
