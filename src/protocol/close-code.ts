/**
 * The numbers that a link's WebSocket is closed with. See docs/protocol.md §8.
 *
 * They are for the peer and for logs: what a side does next is decided by the error that it found itself.
 */

/** WebSocket close codes (§8). */
export const CLOSE_CODE = {
  done: 1000,
  goingAway: 1001,
  protocol: 4400,
  refused: 4401,
  timeout: 4408,
  tooMany: 4429,
} as const;
