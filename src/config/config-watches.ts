/**
 * What becomes of files that change while a process runs. `all`: a change that needs a new process has one take over. `in-place`:
 * only what this process can change; the rest waits for a command. docs/operations.md "Changed files".
 */
export const CONFIG_WATCHES = ['all', 'in-place'] as const;

/** One of them. */
export type ConfigWatchKind = (typeof CONFIG_WATCHES)[number];
