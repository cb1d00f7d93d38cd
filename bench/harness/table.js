/**
 * Turns series into text: aligned tables, numbers with three significant figures, ratios.
 *
 * Pure functions. A peer that was not measured keeps its row and says why, so that a gap is never mistaken for a choice.
 */
import { summarise } from './statistics.js';

/**
 * A table with its title. `columns` are `{ title, cell(row) }`; a row with a `reason` has only its name and that reason.
 * The first column is aligned left, the others right.
 */
export function renderTable({ title, columns, rows }) {
  const body = rows.map((row) =>
    row.reason === undefined ? columns.map((column) => column.cell(row)) : [columns[0].cell(row)],
  );
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...body.map((cells) => cells[at]?.length ?? 0)),
  );
  const pad = (text, at) => (at === 0 ? text.padEnd(widths[at]) : text.padStart(widths[at]));
  const lines = body.map((cells, at) => {
    const text = cells.map(pad).join('  ');
    return rows[at].reason === undefined ? text : `${text}  NOT MEASURED: ${rows[at].reason}`;
  });
  const head = columns.map((column, at) => pad(column.title, at)).join('  ');
  return [title, head, '-'.repeat(head.length), ...lines].map((line) => line.trimEnd()).join('\n');
}

/** The column with the peer's name. */
export const PEER = { title: 'peer', cell: (row) => row.title };

/** The median of one field of the samples. */
export function medianOf(title, field) {
  return { title, cell: (row) => formatNumber(summarise(row.samples, field).median) };
}

/** Least and most of one field over the rounds. */
export function rangeOf(field) {
  const cell = (row) => {
    const { min, max } = summarise(row.samples, field);
    return `${formatNumber(min)} to ${formatNumber(max)}`;
  };
  return { title: 'range', cell };
}

/** The median of one field as a multiple of the same of the peer called `base`. */
export function ratioTo(base, field, rows) {
  return {
    title: `× ${base}`,
    cell: (row) => formatNumber(medianIn(rows, row.name, field) / medianIn(rows, base, field)),
  };
}

/** The median of one field of a peer's samples, or NaN when the peer was not measured. */
export function medianIn(rows, name, field) {
  const row = rows?.find((candidate) => candidate.name === name);
  return row?.samples === undefined ? NaN : summarise(row.samples, field).median;
}

/** Three significant figures without an exponent: 12345 → "12,345", 1.2345 → "1.23". A dash for what is not a number. */
export function formatNumber(value) {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 100) return value.toFixed(0);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(2);
}
