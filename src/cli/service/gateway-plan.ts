/**
 * The gateway as a service of systemd: a socket unit with the addresses of its configuration, and the service.
 *
 * It runs as the user `postern`, which must be able to read what the configuration names; TLS files are read anew by
 * each worker, which copies made by systemd could not be. docs/decisions/0024.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { loadGatewayConfig, type GatewayConfig } from '../../config/gateway-config.ts';
import { addressesOf, type ListenAddress } from '../../config/listen-address.ts';
import { gatewayConfigFile } from '../config-file.ts';
import { OWN_PROGRAM } from '../own-program.ts';
import { launchdPlan } from './launchd-service.ts';
import {
  checkVisible,
  stopSeconds,
  UNIT_FOLDER,
  type ServiceManager,
  type ServicePlan,
} from './service-plan.ts';
import { unitFile, unitPath, type UnitSettings } from './unit-file.ts';

/** Makes the plan from the configuration. Throws CONFIG_*, and CLI_USAGE for paths that a service cannot use. */
export async function gatewayPlan(
  flag: string | undefined,
  manager: ServiceManager,
): Promise<ServicePlan> {
  const file = resolve(gatewayConfigFile(flag));
  const config = await loadGatewayConfig(file);
  const graceMs = config.gracePeriodMs;
  if (manager === 'launchd') {
    return launchdPlan({ kind: 'gateway', words: ['gateway', 'run', '--config', file], graceMs });
  }
  checkVisible(file, 'configuration');
  checkVisible(`${config.dataDir}/`, 'data-dir');
  for (const path of OWN_PROGRAM) checkVisible(path, 'program');
  const program = OWN_PROGRAM.map((path) => unitPath(path)).join(' ');
  const [socket, service] = ['postern-gateway.socket', 'postern-gateway.service'];
  const settings = {
    ExecStart: `${program} gateway run --config ${unitPath(file)}`,
    ExecReload: `${program} gateway reload --config ${unitPath(file)}`,
    TimeoutStopSec: `${stopSeconds(graceMs)}s`,
    ...dataSettings(config.dataDir),
  };
  const addresses = { ListenStream: socketAddresses(config) };
  return {
    unit: service,
    units: [socket, service],
    gateway: { config: file, dataDir: config.dataDir },
    files: [
      {
        path: `${UNIT_FOLDER}/${socket}`,
        content: await unitFile(socket, addresses),
        mode: 0o644,
      },
      {
        path: `${UNIT_FOLDER}/${service}`,
        content: await unitFile(service, settings),
        mode: 0o644,
      },
    ],
  };
}

/** What of a configuration is bound. */
interface Bound extends Pick<GatewayConfig, 'listen'> {
  readonly tcp: readonly Pick<GatewayConfig['tcp'][number], 'listen'>[];
}

/** What systemd can hold: fixed ports at addresses. The gateway binds names and chosen ports by itself. */
export function socketAddresses(config: Bound): string[] {
  const { https, http, metrics } = config.listen;
  const tcp = config.tcp.flatMap(({ listen }) => addressesOf(listen));
  return [https, http, metrics, ...tcp].flatMap((address) =>
    address === undefined ? [] : listenStream(address),
  );
}

function listenStream({ host, port }: ListenAddress): string[] {
  if (port === 0) return [];
  if (host === '') return [String(port)];
  if (isIPv6(host)) return [`[${host}]:${port}`];
  return isIPv4(host) ? [`${host}:${port}`] : [];
}

/** A folder below /var/lib is systemd's to make; any other must be there, and the gateway's own. */
function dataSettings(dataDir: string): UnitSettings {
  const path = unitPath(dataDir);
  const name = /^\/var\/lib\/([^/].*)$/.exec(path)?.[1];
  if (name !== undefined) return { StateDirectory: name };
  return { StateDirectory: [], ReadWritePaths: path };
}
