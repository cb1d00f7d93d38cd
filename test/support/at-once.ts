/**
 * What "at once" and "within a second" are bounded by in tests.
 *
 * The promises are for a machine that has time. A test also runs on one that has none, where a second passes before anybody
 * is asked; what is not done at once waits for something, and the bound is less than all that it could wait for.
 */

/** Less than the shortest wait that could be in its place: 5 s for a connector that arrives or a check that comes round. */
export const AT_ONCE_MS = 4_500;
