/**
 * Opens the user's browser, without knowing which: the program in BROWSER, or what the system opens addresses with. The only file
 * that knows the package `open`, which starts programs with lists of arguments and never through a shell. docs/decisions/0016.
 */
import open from 'open';

/** Opens an address of ours; false when there is no screen, or nothing that opens it. */
export async function openBrowser(url: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const { BROWSER: browser = '' } = env;
  if (browser === '' && !hasScreen(env)) return false;
  try {
    // One program, as most people set it; lists and templates are left to what opens things on this system.
    const isProgram = /^[^\s:%]+$/.test(browser);
    await open(url, isProgram ? { app: { name: browser } } : {});
    return true;
  } catch {
    return false;
  }
}

/** Whoever came over SSH sits at another screen. */
function hasScreen(env: NodeJS.ProcessEnv): boolean {
  if (process.platform !== 'linux') return env['SSH_CONNECTION'] === undefined;
  return [env['DISPLAY'], env['WAYLAND_DISPLAY'], env['WSL_DISTRO_NAME']].some(
    (value) => value !== undefined && value !== '',
  );
}
