/** Runs a program of the system, such as systemctl, and says in one line why it failed. */
import { execFile } from 'node:child_process';
import { hasCode, PosternError } from '../../core/error.ts';

/** Output kept, bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** What it printed to stdout. Rejects with CLI_SERVICE: "Cannot <what>: <what it said>". */
export async function runTool(
  what: string,
  program: string,
  args: readonly string[],
  timeoutMs = 0,
): Promise<string> {
  const options = { timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout);
      const said = hasCode(cause, 'ENOENT') ? `${program} is not installed` : stderr.trim();
      const late = cause.killed === true ? `not done after ${timeoutMs / 1000} s` : 'it failed';
      reject(new PosternError('CLI_SERVICE', `Cannot ${what}: ${said || late}`, { cause }));
    });
  });
}

/** Whether it ended with 0. */
export async function succeeds(program: string, ...args: readonly string[]): Promise<boolean> {
  return runTool('ask', program, args).then(
    () => true,
    () => false,
  );
}
