/**
 * Has the programs that suites need on a machine where nobody installed them, and `keytar` where npm could not build it.
 *
 * Costs a few file look-ups when all is there. Never fails: a suite whose programs are missing fails in `requireTools`, with
 * the reason found here. `POSTERN_TEST_INSTALL=never` keeps it from changing the machine. It imports nothing that needs an
 * installation, and so can run beside it.
 */
import { installPackages } from './debian-packages.ts';
import { buildKeytar, hasKeytar, packagesForKeytar } from './native-keytar.ts';
import { findProgram, INSTALL_FAILURE_VARIABLE, missingPackages } from './tools.ts';

/** Installs what suites need, and what building keytar would. */
export async function installTools(): Promise<void> {
  const missing = [...missingPackages(), ...(hasKeytar() ? [] : packagesForKeytar())];
  if (missing.length === 0) return;
  const byHand = `install with: apt-get install --no-install-recommends ${missing.join(' ')}`;
  const obstacle = obstacleToInstalling();
  if (obstacle !== undefined) return give(`${obstacle}; ${byHand}`);
  sayOfSetUp(`installing Debian packages that suites need: ${missing.join(' ')}`);
  const start = performance.now();
  try {
    await installPackages(missing);
    sayOfSetUp(`installed in ${Math.round((performance.now() - start) / 1000)} s`);
  } catch (error) {
    return give(String(Reflect.get(Object(error), 'message')));
  }
  const still = missingPackages();
  if (still.length > 0) give(`installed, but the programs of ${still.join(' ')} are not found`);
}

/**
 * Builds keytar: npm leaves it out where it cannot be built, which is no failure of an installation but is one of its suite.
 * After `installTools`, and after npm's installation.
 */
export async function installKeytar(): Promise<void> {
  if (hasKeytar() || obstacleToInstalling() !== undefined) return;
  sayOfSetUp('building keytar, which a suite needs');
  try {
    await buildKeytar();
  } catch (error) {
    give(`keytar: ${String(Reflect.get(Object(error), 'message'))}`);
  }
}

/** Says something of the set-up to whoever started the tests. */
export function sayOfSetUp(text: string): void {
  process.stderr.write(`test set-up: ${text}\n`);
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
  sayOfSetUp(`some suites will fail for want of programs: ${reason}`);
}
