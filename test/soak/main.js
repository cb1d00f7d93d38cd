/**
 * `npm run soak`: the soak of soak.test.ts for an hour, or for `--minutes N`. `POSTERN_TEST_SEED` repeats the choices of an
 * earlier run, which printed its seed.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write('soak: --minutes takes a number above 0\n');
  process.exit(2);
}

const jest = spawn('npm', ['test', '--', '--runTestsByPath', 'test/soak/soak.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, POSTERN_SOAK_MINUTES: String(minutes) },
});
jest.on('exit', (code) => process.exit(code ?? 1));
