/** Rows of the tables in a Markdown file, as texts of their cells. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './module-graph.ts';

export interface TableRow {
  /** The cells by the header of their column. */
  readonly cells: Readonly<Record<string, string>>;
  /** What stands in backticks, and nothing else, in the first cell. */
  readonly name: string | undefined;
}

/** Every row of every table in the file, or only of those below the heading that begins with `heading`. */
export function tableRows(file: string, heading?: string): TableRow[] {
  const rows: TableRow[] = [];
  let header: readonly string[] | undefined;
  for (const line of linesOf(file, heading)) {
    if (!line.startsWith('|')) {
      header = undefined;
      continue;
    }
    const cells = cellsOf(line);
    if (header === undefined) {
      header = cells;
    } else if (!/^\|[\s|:-]+\|$/.test(line)) {
      const byColumn = Object.fromEntries(header.map((name, i) => [name, cells[i] ?? '']));
      rows.push({ cells: byColumn, name: /^`([^`]+)`$/.exec(cells[0] ?? '')?.[1] });
    }
  }
  return rows;
}

/** The names of all rows that have one, in order. */
export function tableNames(file: string, heading?: string): string[] {
  return tableRows(file, heading).flatMap(({ name }) => (name === undefined ? [] : [name]));
}

function linesOf(file: string, heading: string | undefined): string[] {
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
  if (heading === undefined) return lines;
  const start = lines.findIndex((line) => line.replace(/^#+ /, '').startsWith(heading));
  if (start < 0) throw new Error(`${file} has no heading "${heading}"`);
  const depth = lines[start]?.indexOf(' ') ?? 0;
  const isEnd = (line: string, i: number) =>
    i > start && /^#+ /.test(line) && line.indexOf(' ') <= depth;
  const end = lines.findIndex(isEnd);
  return lines.slice(start, end < 0 ? undefined : end);
}

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}
