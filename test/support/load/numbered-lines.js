/**
 * The far end of an `access ssh` under load, run by sshd: sends back each line it reads, tells numbered lines of its own all
 * the while, and at the end of its input says how many it told and the SHA-256 of all it read. Its argument is the time
 * between two of its lines, ms.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

const read = createHash('sha256');
let told = 0;

const telling = setInterval(
  () => {
    told += 1;
    process.stdout.write(`told ${told}\n`);
  },
  Number(process.argv[2] ?? 20),
);

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  read.update(`${line}\n`);
  process.stdout.write(`${line}\n`);
});
lines.on('close', () => {
  clearInterval(telling);
  process.stdout.write(`end ${told} ${read.digest('hex')}\n`);
});
