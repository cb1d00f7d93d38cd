/** What became of the files of a process that runs, in lines for people. */
import type { ConfigStatus } from '../telemetry/config-state.ts';

/** Rows of a table: when it was read, what is refused, what waits. Versions before say nothing. */
export function configRows(config: ConfigStatus | undefined): [string, string][] {
  if (config === undefined) return [];
  const { since, refused, waiting } = config;
  return [
    ['configuration', since === undefined ? 'as at the start' : `read again at ${since}`],
    ...(refused === undefined
      ? []
      : [rowOf('refused', `since ${refused.at}: ${refused.message} (${refused.code})`)]),
    ...(waiting.length === 0 ? [] : [rowOf('waits for a reload', waiting.join(', '))]),
  ];
}

function rowOf(name: string, text: string): [string, string] {
  return [name, text];
}
