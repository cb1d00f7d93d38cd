/**
 * What installing a service comes to: files and units. Plans are made without touching anything, so that `--print` shows
 * what an installation would write.
 */
import { PosternError } from '../../core/error.ts';

/** The two programs that can be services. */
export const SERVICE_KINDS = ['gateway', 'connector'] as const;

export type ServiceKind = (typeof SERVICE_KINDS)[number];

export interface PlannedFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  /** Never printed. */
  readonly isSecret?: boolean;
}

/** What runs services here. */
export type ServiceManager = 'systemd' | 'launchd';

export interface ServicePlan {
  readonly files: readonly PlannedFile[];
  /** Enabled and started, in this order; for launchd, the label. */
  readonly units: readonly string[];
  /** The one that `systemctl status` and `reload` are about. */
  readonly unit: string;
  /** What must be ready for the user of the gateway before it starts. */
  readonly gateway?: { readonly config: string; readonly dataDir: string };
}

/** What an installation changed. */
export interface Installed {
  /** Files that were written. */
  readonly written: readonly string[];
  readonly enabled: readonly string[];
  readonly started: readonly string[];
  /** Whether it runs with what was written before, until it is restarted. */
  readonly needsRestart: boolean;
}

/** What became of an installation that was taken back. */
export interface Uninstalled {
  readonly removed: readonly string[];
  /** What was not ours to remove. */
  readonly kept: readonly string[];
}

/** Where unit files of administrators are. */
export const UNIT_FOLDER = '/etc/systemd/system';

/** Tokens that were installed. A folder of ours, so that `uninstall` takes nobody else's file. */
export const TOKEN_FOLDER = '/etc/postern/tokens';

/** The file that a connector's token is installed in. */
export function tokenPath(name: string | undefined): string {
  return `${TOKEN_FOLDER}/${name ?? 'connector'}.token`;
}

/** Time beyond the grace period in which a program ends, seconds. */
const STOP_MARGIN_S = 30;

/** How long a stop may take with this grace period, seconds: the service manager must never be the one who cuts. */
export function stopSeconds(graceMs: number): number {
  return Math.ceil(graceMs / 1000) + STOP_MARGIN_S;
}

/** Throws CLI_USAGE for a file in a place that services do not see: home folders, and /tmp. */
export function checkVisible(path: string, what: string): void {
  const hidden = ['/home/', '/root/', '/run/user/', '/tmp/', '/var/tmp/'].find((folder) =>
    path.startsWith(folder),
  );
  if (hidden === undefined) return;
  const remedy = 'move it, below /etc/postern for example';
  throw new PosternError(
    'CLI_USAGE',
    `Cannot use ${what} "${path}" in a service: services do not see ${hidden.slice(0, -1)}; ${remedy}`,
  );
}
