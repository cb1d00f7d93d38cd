/** Figures that a test measured, for whoever reads its output: one line on stderr, whether it passes or fails. */
import { expect } from '@jest/globals';

/** Prints a line under the name of the running test. */
export function say(text: string): void {
  process.stderr.write(`measured: ${expect.getState().currentTestName ?? ''}: ${text}\n`);
}
