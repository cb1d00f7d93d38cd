/**
 * Jest's global set-up: has the programs that suites need on a machine where nobody installed them.
 *
 * Costs a few file look-ups when all is there. It never fails the run itself: a suite whose programs are missing fails
 * in `requireTools`, with the reason found here. `POSTERN_TEST_INSTALL=never` keeps it from changing the machine.
 */
import { bundleWhenStale } from './built-program.ts';
import { installPackages } from './debian-packages.ts';
import { buildKeytar, hasKeytar } from './native-keytar.ts';
import { findProgram, INSTALL_FAILURE_VARIABLE, missingPackages } from './tools.ts';

async function prepare(): Promise<void> {
  if (bundleWhenStale()) say('bundled what was compiled since the last build');
  await installTools();
  await installKeytar();
}

/** npm leaves this package out where it cannot be built, which is no failure of an installation but is one of its suite. */
async function installKeytar(): Promise<void> {
  if (hasKeytar() || obstacleToInstalling() !== undefined) return;
  say('building keytar, which a suite needs');
  try {
    await installPackages(['libsecret-1-dev', 'pkg-config']);
    await buildKeytar();
  } catch (error) {
    give(`keytar: ${String(Reflect.get(Object(error), 'message'))}`);
  }
}

async function installTools(): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const byHand = `install with: apt-get install --no-install-recommends ${missing.join(' ')}`;
  const obstacle = obstacleToInstalling();
  if (obstacle !== undefined) return give(`${obstacle}; ${byHand}`);
  say(`installing Debian packages that suites need: ${missing.join(' ')}`);
  const start = performance.now();
  try {
    await installPackages(missing);
    say(`installed in ${Math.round((performance.now() - start) / 1000)} s`);
  } catch (error) {
    return give(String(Reflect.get(Object(error), 'message')));
  }
  const still = missingPackages();
  if (still.length > 0) give(`installed, but the programs of ${still.join(' ')} are not found`);
}

function obstacleToInstalling(): string | undefined {
  if (process.env['POSTERN_TEST_INSTALL'] === 'never') return 'POSTERN_TEST_INSTALL is "never"';
  if (findProgram('apt-get') === undefined) return 'this is not a Debian machine';
  if (process.getuid?.() !== 0) return 'only root can install packages';
  return undefined;
}

/** Leaves the reason to the suites: Jest's workers inherit the environment. */
function give(reason: string): void {
  process.env[INSTALL_FAILURE_VARIABLE] = reason;
  say(`some suites will fail for want of programs: ${reason}`);
}

function say(text: string): void {
  process.stderr.write(`test set-up: ${text}\n`);
}

// Jest takes the default export, nothing else.
// oxlint-disable-next-line import/no-default-export
export default prepare;
