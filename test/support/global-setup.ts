/** Jest's global set-up: the program that tests start is the one that was compiled, and what suites need is installed. */
import { bundleWhenStale } from './built-program.ts';
import { installKeytar, installTools, sayOfSetUp } from './install-tools.ts';

async function prepare(): Promise<void> {
  if (bundleWhenStale()) sayOfSetUp('bundled what was compiled since the last build');
  await installTools();
  await installKeytar();
}

// Jest takes the default export, nothing else.
// oxlint-disable-next-line import/no-default-export
export default prepare;
