/** The commands that install another version the way this one was installed, and have running services take it over. */
import { basename, dirname } from 'node:path';

export interface Installation {
  /** The folder of our package.json. */
  readonly packageRoot: string;
  /** Where npm installs global packages, when that is known. */
  readonly npmPrefix?: string | undefined;
  /** Units of ours that this machine has. */
  readonly units: readonly string[];
}

/** What to type, in order; each one only when the one before succeeded. */
export function upgradeCommands(version: string, installation: Installation): string[] {
  const { units } = installation;
  const install = installCommands(version, installation);
  if (units.length === 0) return install;
  // One after the other: the gateway first, so that connectors meet a gateway that is as new as they are.
  return [...install, ...units.map((unit) => `systemctl reload ${unit}`)];
}

function installCommands(
  version: string,
  { packageRoot, npmPrefix }: Pick<Installation, 'packageRoot' | 'npmPrefix'>,
): string[] {
  const modules = dirname(packageRoot);
  const spec = `postern@${version}`;
  if (basename(modules) !== 'node_modules') {
    return [`cd ${packageRoot}`, `git checkout v${version}`, 'npm ci', 'npm run build'];
  }
  const folder = dirname(modules);
  if (basename(folder) !== 'lib') return [`npm install --prefix ${folder} ${spec}`];
  const prefix = dirname(folder);
  if (prefix === npmPrefix) return [`npm install -g ${spec}`];
  return [`npm install -g --prefix ${prefix} ${spec}`];
}
