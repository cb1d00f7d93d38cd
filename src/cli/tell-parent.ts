/**
 * Tells the process that started this one to take over from it, a supervisor or a connector, why that will not happen: for
 * code that cannot even be loaded, after an upgrade for example, and so cannot say so in its own way.
 *
 * The message is the one that worker-message.ts and hand-over-message.ts have in common.
 */
import { writeError } from '../core/written-error.ts';

/** Resolves when it is told, or when there is nobody to tell. Whoever was told before takes no notice. */
export async function tellParent(error: unknown): Promise<void> {
  if (process.send === undefined || !process.connected) return;
  const message = { type: 'failed', ...writeError(error) };
  await new Promise<void>((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}
