/** Carries out plans with systemd: writes, enables and starts; and takes it back. Doing it again changes nothing. */
import { existsSync } from 'node:fs';
import { lstat, rm } from 'node:fs/promises';
import { PosternError } from '../../core/error.ts';
import { connectorUnit } from './connector-plan.ts';
import { checkGatewayUser, GATEWAY_USER, makeGatewayUser, SYSUSERS_FILE } from './gateway-user.ts';
import { runTool, succeeds } from './run-tool.ts';
import {
  TOKEN_FOLDER,
  tokenPath,
  UNIT_FOLDER,
  type Installed,
  type ServiceKind,
  type ServicePlan,
  type Uninstalled,
} from './service-plan.ts';
import { isOurs, removeEmpty, removeOurs, writeChanged } from './written-files.ts';

/** Beyond TimeoutStartSec of our units, ms. */
const START_MS = 150_000;
/** For what only changes systemd's own state, ms. */
const QUICK_MS = 30_000;

/** Throws CLI_SERVICE unless this is root on a machine that systemd runs. */
export function requireSystemd(what: string): void {
  if (!existsSync('/run/systemd/system')) {
    const remedy = 'let its service manager run "postern gateway run" or "postern tunnel run"';
    throw failure(`Cannot ${what}: this machine does not run systemd; ${remedy}`);
  }
  if (process.getuid?.() !== 0) {
    throw failure(`Cannot ${what}: only root may change services; run it with sudo`);
  }
}

/** Resolves when the service is ready. Throws CLI_SERVICE with the end of its log when it does not get so. */
export async function installWithSystemd(
  plan: ServicePlan,
  { start }: { readonly start: boolean },
): Promise<Installed> {
  const written = plan.gateway === undefined ? [] : await makeGatewayUser();
  if (plan.gateway !== undefined) await checkGatewayUser(plan.gateway);
  const before = await Promise.all(plan.units.map(isActive));
  written.push(...(await writeChanged(plan.files)));
  if (written.length > 0) await systemctl('load the units', 'daemon-reload');
  const enabled = await filterUnits(plan.units, async (unit) => !(await isEnabled(unit)));
  if (enabled.length > 0) await systemctl('enable the service', 'enable', '--quiet', ...enabled);
  const started = start ? plan.units.filter((_, at) => before[at] !== true) : [];
  for (const unit of started) {
    // The socket first: connections wait from then on.
    // oxlint-disable-next-line no-await-in-loop
    await startUnit(unit);
  }
  const needsRestart = written.length > 0 && before.some(Boolean);
  return { written, enabled, started, needsRestart };
}

/** Stops, which drains, disables, and removes what we wrote. */
export async function uninstallWithSystemd(
  kind: ServiceKind,
  name: string | undefined,
): Promise<Uninstalled> {
  const units =
    kind === 'gateway'
      ? ['postern-gateway.service', 'postern-gateway.socket']
      : [connectorUnit(name)];
  const ours = await filterUnits(units, async (unit) => isOurs(`${UNIT_FOLDER}/${unit}`));
  const kept = units.filter((unit) => !ours.includes(unit) && existsSync(`${UNIT_FOLDER}/${unit}`));
  // Not `disable --now`: without the unit file, of an installation that was removed half, it would stop nothing.
  // The socket goes with its service, or the next connection would start it again.
  if (ours.length > 0) {
    await systemctl('stop the service', 'stop', ...ours.toReversed());
    await systemctl('disable the service', 'disable', '--quiet', ...ours);
    await forgetRuntime(ours);
  }
  const marked = [
    ...ours.map((unit) => `${UNIT_FOLDER}/${unit}`),
    ...(kind === 'gateway' ? [SYSUSERS_FILE] : []),
  ];
  const owned = kind === 'connector' && kept.length === 0 ? [tokenPath(name)] : [];
  const removed = await removeOurs(marked, owned);
  await removeEmpty(TOKEN_FOLDER);
  if (ours.length > 0) {
    await systemctl('load the units', 'daemon-reload');
    // A unit that failed is remembered otherwise.
    await succeeds('systemctl', 'reset-failed', ...ours);
  }
  const user = kind === 'gateway' && (await succeeds('id', '-u', GATEWAY_USER));
  return {
    removed,
    kept: [
      ...kept.map((unit) => `${UNIT_FOLDER}/${unit}, which was not written by "service install"`),
      ...(user ? [`the user "${GATEWAY_USER}", whose data directory may be needed again`] : []),
    ],
  };
}

/** What a service that was killed leaves in /run; systemd 252 forgets the link to it. */
async function forgetRuntime(units: readonly string[]): Promise<void> {
  // There may be nothing, which some versions call a failure.
  await succeeds('systemctl', 'clean', '--what=runtime', ...units);
  const links = units.map((unit) => `/run/${unit.replace('@', '-').replace(/\.\w+$/, '')}`);
  await Promise.all(links.map(async (path) => ((await isLink(path)) ? rm(path) : undefined)));
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
}

async function startUnit(unit: string): Promise<void> {
  try {
    await systemctl(`start ${unit}`, 'start', unit);
  } catch (cause) {
    const words = `--unit ${unit} --lines 5 --output cat --no-pager --quiet`.split(' ');
    const log = await runTool('read the log', 'journalctl', words).catch(() => '');
    const lines = log.trim().split('\n').join('; ');
    throw failure(`Cannot start ${unit}: it did not get ready: ${lines || 'no log'}`, cause);
  }
}

async function systemctl(what: string, verb: string, ...args: readonly string[]): Promise<void> {
  // A stop takes as long as the grace period, which the unit bounds.
  const timeoutMs = verb === 'stop' ? 0 : verb === 'start' ? START_MS : QUICK_MS;
  await runTool(what, 'systemctl', [verb, ...args], timeoutMs);
}

async function isActive(unit: string): Promise<boolean> {
  return succeeds('systemctl', 'is-active', '--quiet', unit);
}

async function isEnabled(unit: string): Promise<boolean> {
  return succeeds('systemctl', 'is-enabled', '--quiet', unit);
}

async function filterUnits(
  units: readonly string[],
  test: (unit: string) => Promise<boolean>,
): Promise<string[]> {
  const passed = await Promise.all(units.map(test));
  return units.filter((_, at) => passed[at]);
}

function failure(message: string, cause?: unknown): PosternError {
  return new PosternError('CLI_SERVICE', message, { cause });
}
