/** Takes a lock of the client, says so, and holds it until its stdin ends. Run by node, from `dist/`. */
import { once } from 'node:events';
import { withProcessLock } from '../../dist/client/credentials/process-lock.js';

const [home, name] = process.argv.slice(2);
await withProcessLock({ home, name, onWait: () => process.stdout.write('waiting\n') }, async () => {
  process.stdout.write('holding\n');
  process.stdin.resume();
  await once(process.stdin, 'end');
});
process.stdout.write('released\n');
