/** Waits of a connector that nobody would tell it are over. */
import { setTimeout as delay } from 'node:timers/promises';

/** How often it is looked, ms. */
const POLL_MS = 50;

/** Resolves once it is so no longer. Keeps no process alive. The caller bounds it. */
export async function waitWhile(isSo: () => boolean): Promise<void> {
  while (isSo()) await delay(POLL_MS, undefined, { ref: false });
}
