/** Programs that play the successor of a connector, good ones and bad ones, for tests of whoever starts it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { tempDir } from './temp-dir.ts';

/** The command line of a program with this text; `say(message)` tells its predecessor something. */
export function successorScript(text: string): readonly [string, ...string[]] {
  const file = join(tempDir('successor'), 'successor.cjs');
  const helpers = `
    const say = (message) => process.send(message);
    const registered = () => say({ type: 'registered', run: { pid: process.pid, replica: 'r', links: 4, version: '0' } });
    const stay = () => setInterval(() => undefined, 1000);
    const onOrder = (type, act) => process.on('message', (message) => message.type === type && act(message));`;
  writeFileSync(file, `${helpers}\n${text}`);
  return [process.execPath, file];
}

/** One that takes over, and ends when it is told to. */
export const GOOD_SUCCESSOR = `
  stay();
  registered();
  for (const order of ['replaced', 'drain']) onOrder(order, () => process.exit(0));
  onOrder('stop', () => process.exit(1));`;
