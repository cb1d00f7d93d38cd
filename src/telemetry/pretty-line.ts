/**
 * Log records for people: time, level, component, message, fields as `name=value`; under it an error with its causes.
 *
 * Owns the look of the terminal format only; what is in a record was decided and cleaned before. No value can leave its
 * line or colour it: every text is escaped here, after JSON has been decoded. See docs/operations.md "Logs".
 */
import { prettyFactory } from 'pino-pretty';
import { FIELD } from './log-field.ts';
import { escapeControls } from './log-text.ts';

/** Turns one line of JSON, as pino writes it, into text that ends with a newline. */
export type PrettyLine = (jsonLine: string) => string;

/** Fields that have a place of their own in the line, or none. */
const PLACED = new Set<string>(['level', 'time', 'pid', 'msg', FIELD.component, FIELD.err]);

/** A formatter of log lines for a terminal. Colours are for those that understand them. */
export function createPrettyLine(options: { readonly hasColors: boolean }): PrettyLine {
  const format = prettyFactory({
    colorize: options.hasColors,
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: (record, messageKey) => String(record[messageKey]),
  });
  return (jsonLine) => {
    const record: Readonly<Record<string, unknown>> = JSON.parse(jsonLine);
    const { level, time } = record;
    // pino-pretty is given no fields: it would drop `hostname`, which means something else to it.
    return format({ level, time, msg: [firstLine(record), ...errorLines(record)].join('\n    ') });
  };
}

function firstLine(record: Readonly<Record<string, unknown>>): string {
  const fields = Object.entries(record)
    .filter(([name]) => !PLACED.has(name))
    .map(([name, value]) => `${escapeControls(name)}=${fieldText(value)}`);
  const { msg = '' } = record;
  const message = escapeControls(typeof msg === 'string' ? msg : JSON.stringify(msg));
  return [`${escapeControls(String(record[FIELD.component]))}: ${message}`, ...fields].join(' ');
}

function fieldText(value: unknown): string {
  const text = escapeControls(typeof value === 'string' ? value : JSON.stringify(value));
  // Quoted where it could be taken for two fields, so that a value cannot forge another.
  if (typeof value !== 'string' || /^[^\s"=]+$/.test(text)) return text;
  return `"${text.replaceAll('"', '\\"')}"`;
}

/** One line for the error and one for each cause, `CODE: message`, and the stack where it was kept. */
function errorLines(record: Readonly<Record<string, unknown>>): string[] {
  const lines: string[] = [];
  let error = record[FIELD.err];
  while (typeof error === 'object' && error !== null && 'message' in error) {
    const name = 'code' in error ? error.code : 'type' in error ? error.type : 'Error';
    const because = lines.length === 0 ? '' : 'because ';
    lines.push(escapeControls(`${because}${String(name)}: ${String(error.message)}`));
    // cleanError() keeps frames only, so these newlines are its own.
    if ('stack' in error) lines.push(...String(error.stack).split('\n').map(escapeControls));
    error = 'cause' in error ? error.cause : undefined;
  }
  return lines;
}
