/**
 * The same with launchd, on macOS: a property list, and the token in a file of root's.
 *
 * launchd has no notices, no reload and no credentials: the programs run as root's daemons and hand over when
 * `gateway reload` or `tunnel reload` ask them to.
 */
import { OWN_PROGRAM } from '../own-program.ts';
import { propertyList } from './property-list.ts';
import { runTool, succeeds } from './run-tool.ts';
import {
  stopSeconds,
  TOKEN_FOLDER,
  tokenPath,
  type Installed,
  type ServiceKind,
  type ServicePlan,
  type Uninstalled,
} from './service-plan.ts';
import { removeEmpty, removeOurs, writeChanged } from './written-files.ts';

/** For what launchctl does at once, ms. */
const QUICK_MS = 60_000;

export interface LaunchdOptions {
  readonly kind: ServiceKind;
  readonly name?: string | undefined;
  /** What `postern` is called with. */
  readonly words: readonly string[];
  readonly graceMs: number;
}

/** The plan for a daemon that runs these words. */
export async function launchdPlan(options: LaunchdOptions): Promise<ServicePlan> {
  const { kind, name, words, graceMs } = options;
  const label = labelOf(kind, name);
  const content = await propertyList(`org.postern.${kind}.plist`, {
    Label: label,
    ProgramArguments: [...OWN_PROGRAM, ...words],
    ExitTimeOut: stopSeconds(graceMs),
    StandardErrorPath: `/var/log/${label}.log`,
  });
  return {
    unit: label,
    units: [label],
    files: [{ path: plistPath(label), content, mode: 0o644 }],
  };
}

/** Writes and loads it, which starts it. Throws CLI_SERVICE. */
export async function installWithLaunchd(
  plan: ServicePlan,
  { start }: { readonly start: boolean },
): Promise<Installed> {
  const written = await writeChanged(plan.files);
  const isLoaded = await succeeds('launchctl', 'print', `system/${plan.unit}`);
  const isNew = start && !isLoaded;
  if (isNew) {
    const args = ['bootstrap', 'system', plistPath(plan.unit)];
    await runTool(`start ${plan.unit}`, 'launchctl', args, QUICK_MS);
  }
  const needsRestart = isLoaded && written.length > 0;
  return { written, enabled: [], started: isNew ? [plan.unit] : [], needsRestart };
}

/** Stops it, which drains, and removes what was written. */
export async function uninstallWithLaunchd(
  kind: ServiceKind,
  name: string | undefined,
): Promise<Uninstalled> {
  const label = labelOf(kind, name);
  if (await succeeds('launchctl', 'print', `system/${label}`)) {
    await runTool(`stop ${label}`, 'launchctl', ['bootout', `system/${label}`]);
  }
  const owned = kind === 'connector' ? [tokenPath(name)] : [];
  const removed = await removeOurs([plistPath(label)], owned);
  await removeEmpty(TOKEN_FOLDER);
  return { removed, kept: [] };
}

function labelOf(kind: ServiceKind, name: string | undefined): string {
  return name === undefined ? `org.postern.${kind}` : `org.postern.${kind}.${name}`;
}

function plistPath(label: string): string {
  return `/Library/LaunchDaemons/${label}.plist`;
}
