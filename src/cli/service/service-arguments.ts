/** The arguments that installing and uninstalling have in common. */
import type { PositionalOptions } from 'yargs';
import { PosternError } from '../../core/error.ts';
import { SERVICE_KINDS, type ServiceKind, type ServiceManager } from './service-plan.ts';

/** What to install, and which one of several. */
export const SERVICE_ARGUMENTS = {
  kind: { choices: SERVICE_KINDS, demandOption: true, describe: 'Which program' },
  name: { type: 'string', describe: 'Which connector, where several run on one machine' },
} as const satisfies Record<string, PositionalOptions>;

/** The name of a connector. Throws CLI_USAGE for one that is no part of a unit's name, and for a gateway's. */
export function serviceName(kind: ServiceKind, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (kind === 'gateway') {
    throw new PosternError('CLI_USAGE', 'Cannot name a gateway: a machine has one; leave it out');
  }
  if (/^[a-z0-9][a-z0-9_.-]{0,62}$/i.test(name)) return name;
  const remedy = 'use letters, digits and "._-"';
  throw new PosternError('CLI_USAGE', `Cannot name a connector "${name}": ${remedy}`);
}

/** What runs services on this kind of machine. */
export function serviceManager(): ServiceManager {
  return process.platform === 'darwin' ? 'launchd' : 'systemd';
}
