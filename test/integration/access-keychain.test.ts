/** Credentials in a real keychain: GNOME Keyring behind a session bus of its own. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { setSessionCookie } from '../../src/access/sign-in/session-cookie.ts';
import { ALICE } from '../support/client-lab.ts';
import { startMiniGateway } from '../support/mini-gateway.ts';
import { posternCommand, run, type RunResult } from '../support/run.ts';
import { SignedInCommands } from '../support/signed-in-commands.ts';
import { tempDir } from '../support/temp-dir.ts';
import { requireTools, toolPath } from '../support/tools.ts';

requireTools('dbus-run-session', 'gnome-keyring-daemon');

const SESSION = join(import.meta.dirname, '../support/keyring-session.sh');

async function start() {
  const gateway = await startMiniGateway();
  const { lab, port, authority } = gateway;
  lab.verdicts.set('wiki.postern.test', 'allow');
  const user = { kind: 'browser', identity: ALICE, address: '', agent: '' } as const;
  const { secret } = await lab.sessions.create(user);
  const cookie = setSessionCookie(secret).split(';')[0] ?? '';
  const commands = new SignedInCommands({ port, caFile: authority.writeFile(), cookie });
  // The keyring is kept in a file of its own, between sessions.
  const desktop = tempDir('desktop');
  const env = {
    ...commands.env,
    POSTERN_KEYCHAIN: undefined,
    HOME: desktop,
    XDG_DATA_HOME: desktop,
    XDG_RUNTIME_DIR: undefined,
    DBUS_SESSION_BUS_ADDRESS: undefined,
  };
  return {
    commands,
    desktop,
    /** In a session with a keyring. */
    inSession: async (...words: string[]): Promise<RunResult> => {
      const [command, args] = posternCommand('access', ...words);
      return run(toolPath('dbus-run-session'), ['--', SESSION, command, ...args], { env });
    },
    /** In none. */
    outside: async (...words: string[]): Promise<RunResult> => {
      const [command, args] = posternCommand('access', ...words);
      return run(command, args, { env });
    },
  };
}

/** Every file below a folder. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

describe('the keychain', () => {
  it('keeps a credential for later commands, in no file of ours and in none in the clear', async () => {
    const { commands, desktop, inSession } = await start();
    const login = await inSession('login');
    expect([login.code, login.stderr]).toEqual([0, expect.not.stringContaining('keychain')]);
    expect(filesIn(commands.home)).toEqual([]);
    const kept = filesIn(desktop);
    expect(kept.length).toBeGreaterThan(0);
    for (const file of kept) expect(readFileSync(file, 'latin1')).not.toContain('pcl_');
    const token = await inSession('token', '--hostname', 'wiki.postern.test', '--print');
    expect([token.code, token.stdout]).toEqual([0, expect.stringContaining('app-token-for-wiki')]);
    expect(commands.visits.filter((line) => line.startsWith('https:'))).toHaveLength(1);
  });

  it('forgets it after a logout', async () => {
    const { inSession } = await start();
    await inSession('login');
    expect((await inSession('logout')).stdout).toContain('Signed out');
    expect((await inSession('token', '--hostname', 'wiki.postern.test')).code).toBe(3);
  });

  it('takes the place of the file that a session without one had to keep, which says so', async () => {
    const { commands, inSession, outside } = await start();
    const login = await outside('login');
    expect([login.code, login.stderr]).toEqual([
      0,
      expect.stringContaining('No keychain: this session has no D-Bus'),
    ]);
    expect(filesIn(commands.home)).toHaveLength(1);
    // The file serves a session with a keychain too.
    expect((await inSession('token', '--hostname', 'wiki.postern.test')).code).toBe(0);
    await inSession('logout');
    expect(filesIn(commands.home)).toEqual([]);
    await inSession('login');
    expect(filesIn(commands.home)).toEqual([]);
  });
});
