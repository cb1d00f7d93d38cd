/** The system user of the gateway: made where it is missing, its data directory its own, its configuration readable. */
import { chown, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { PACKAGE_ROOT } from '../../core/package-root.ts';
import { OWN_PROGRAM } from '../own-program.ts';
import { runTool, succeeds } from './run-tool.ts';
import type { PlannedFile, ServicePlan } from './service-plan.ts';
import { writeChanged, WRITTEN_BY_US } from './written-files.ts';

/** The name of the user, and of its group. */
export const GATEWAY_USER = 'postern';

/** What systemd-sysusers makes the user of. */
export const SYSUSERS_FILE = '/etc/sysusers.d/postern.conf';

const VALIDATE_MS = 60_000;

/** Makes the user; resolves with the files that were written. Throws CLI_SERVICE. */
export async function makeGatewayUser(): Promise<string[]> {
  if (await succeeds('id', '-u', GATEWAY_USER)) return [];
  const text = await readFile(join(PACKAGE_ROOT, 'service-files', 'postern.sysusers.conf'), 'utf8');
  const file: PlannedFile = {
    path: SYSUSERS_FILE,
    content: `# ${WRITTEN_BY_US}\n${text}`,
    mode: 0o644,
  };
  const written = await writeChanged([file]);
  await runTool(`make the user "${GATEWAY_USER}"`, 'systemd-sysusers', [SYSUSERS_FILE]);
  return written;
}

/** Throws CLI_SERVICE, saying what to do, when the user cannot run a gateway with this configuration. */
export async function checkGatewayUser({
  config,
  dataDir,
}: NonNullable<ServicePlan['gateway']>): Promise<void> {
  if (!dataDir.startsWith('/var/lib/')) await checkDataDir(dataDir);
  const user = ['--reuid', GATEWAY_USER, '--regid', GATEWAY_USER, '--init-groups', '--'];
  const validate = [...OWN_PROGRAM, 'gateway', 'validate', '--config', config];
  const what = `run a gateway as user "${GATEWAY_USER}"`;
  await runTool(what, 'setpriv', [...user, ...validate], VALIDATE_MS);
}

async function checkDataDir(dataDir: string): Promise<void> {
  const uid = Number(await runTool('find the user', 'id', ['-u', GATEWAY_USER]));
  const gid = Number(await runTool('find the user', 'id', ['-g', GATEWAY_USER]));
  try {
    if ((await stat(dataDir)).uid === uid) return;
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw unusable(dataDir, messageOf(cause));
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return chown(dataDir, uid, gid);
  }
  throw unusable(dataDir, `it is another user's; chown -R ${GATEWAY_USER}: ${dataDir}`);
}

function unusable(dataDir: string, why: string): PosternError {
  return new PosternError('CLI_SERVICE', `Cannot use data-dir "${dataDir}": ${why}`);
}
