/**
 * Clean-ups of one test file, run last in, first out, also when a test fails.
 *
 * What is registered while a test runs is undone after that test; what is registered in `beforeAll` or at the top of
 * the file is undone after the last test. Our hooks are registered on import, so an `afterEach` or `afterAll` inside a
 * `describe` still finds everything alive. One clean-up that throws does not keep the others from running.
 */
import { afterAll, afterEach, beforeEach } from '@jest/globals';

/** How long all clean-ups of one test or file may take together. RabbitMQ needs seconds to stop. */
const CLEANUP_LIMIT_MS = 120_000;

type Undo = () => unknown;

/** The clean-ups of the test or of the file, to be kept by what starts more things later on, such as a restart. */
export interface CleanupScope {
  readonly add: (undo: Undo) => void;
}

const ofFile: Undo[] = [];
const ofTest: Undo[] = [];
let isInsideTest = false;

beforeEach(() => {
  isInsideTest = true;
});

afterEach(async () => {
  isInsideTest = false;
  await unwind(ofTest);
}, CLEANUP_LIMIT_MS);

afterAll(() => unwind(ofFile), CLEANUP_LIMIT_MS);

/** Has `undo` called, and awaited, at the end of the running test, or of the file when no test runs. */
export function cleanup(undo: Undo): void {
  currentScope().add(undo);
}

/** The scope that `cleanup` adds to now: the running test's, or the file's when no test runs. */
export function currentScope(): CleanupScope {
  const stack = isInsideTest ? ofTest : ofFile;
  return { add: (undo) => stack.push(undo) };
}

async function unwind(stack: Undo[]): Promise<void> {
  const errors: unknown[] = [];
  for (let undo = stack.pop(); undo !== undefined; undo = stack.pop()) {
    try {
      await undo();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} clean-ups failed`);
}
