/** Waiting for a gateway to hear of something. docs/protocol.md §13. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Link } from '../protocol/link.ts';

/** How long that may take, ms. Longer than any path takes that still carries something. */
const SETTLE_MS = 2_000;

/** Resolves when the gateway has acted on what was said, and its streams from before have arrived; or after a while. */
export async function settleLink(link: Link): Promise<void> {
  await Promise.race([link.roundTrip(), delay(SETTLE_MS, undefined, { ref: false })]);
}
