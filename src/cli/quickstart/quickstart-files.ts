/**
 * The files of the quickstart: real configurations, to be read, copied and changed. They are written again at every
 * start, because the ports of the demo services are new each time.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CreatedTunnel } from '../../admin/admin-api.ts';
import { messageOf, PosternError } from '../../core/error.ts';

/** Everything in it is reached at names under this one; browsers and curl take them for this machine. */
const DOMAIN = 'postern.localhost';
export const PAGE_HOSTNAME = `hello.${DOMAIN}`;
export const ECHO_HOSTNAME = `echo.${DOMAIN}`;
/** The one tunnel. */
export const TUNNEL = 'quickstart';

/** Ports on 127.0.0.1. */
export interface QuickstartPorts {
  readonly https: number;
  readonly echo: number;
}

/** Where the quickstart keeps its state: `--data-dir`, else a folder under the user's state directory. */
export function quickstartFolder(flag: string | undefined): string {
  if (flag !== undefined) return resolve(flag);
  const xdg = process.env['XDG_STATE_HOME'];
  const base = xdg === undefined || xdg === '' ? join(homedir(), '.local', 'state') : xdg;
  return resolve(base, 'postern', 'quickstart');
}

/** Makes the folder, for its owner alone. CONFIG_UNREADABLE when that cannot be done. */
export async function makeFolder(folder: string): Promise<void> {
  await writing(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
}

/** Writes `gateway.yaml` and returns its name. */
export async function writeGatewayFile(folder: string, ports: QuickstartPorts): Promise<string> {
  return write(
    folder,
    'gateway.yaml',
    `# Made by "postern quickstart", which writes it again at every start.
domain: ${DOMAIN}
data-dir: .
listen: { https: "127.0.0.1:${ports.https}" }
grace-period: 2s
tcp:
  - { listen: "127.0.0.1:${ports.echo}", hostname: ${ECHO_HOSTNAME} }
applications:
  - name: demo
    hostname: "*.${DOMAIN}"
    policies:
      - { action: bypass, include: [everyone] }
`,
  );
}

/** Writes `config.yml` with its `credentials.json` and returns its name. */
export async function writeConnectorFile(
  folder: string,
  {
    tunnel,
    gatewayPort,
    pagePort,
    echoPort,
  }: {
    readonly tunnel: CreatedTunnel;
    readonly gatewayPort: number;
    readonly pagePort: number;
    readonly echoPort: number;
  },
): Promise<string> {
  await write(folder, 'credentials.json', `${JSON.stringify(tunnel, undefined, 2)}\n`);
  return write(
    folder,
    'config.yml',
    `# Made by "postern quickstart", which writes it again at every start.
gateway: https://127.0.0.1:${gatewayPort}
ca: ./ca.pem
tunnel: ${TUNNEL}
credentials-file: ./credentials.json
grace-period: 2s
ingress:
  - { hostname: ${PAGE_HOSTNAME}, service: "http://127.0.0.1:${pagePort}" }
  - { hostname: ${ECHO_HOSTNAME}, service: "tcp://127.0.0.1:${echoPort}" }
  - { service: "http_status:404" }
`,
  );
}

async function write(folder: string, name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writing(file, () => writeFile(file, text, { mode: 0o600 }));
  return file;
}

async function writing(path: string, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt();
  } catch (cause) {
    const message = `Cannot write "${path}": ${messageOf(cause)}; choose another --data-dir`;
    throw new PosternError('CONFIG_UNREADABLE', message, { cause });
  }
}
