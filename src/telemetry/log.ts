/**
 * The log: pino on stderr, for people on a terminal and as JSON elsewhere.
 *
 * Whatever is passed to it is cleaned first (`log-value.ts`): no secret and no control character of a user's reaches the
 * line, so callers log values as they are. A line costs some 4 µs, so it must not be called once per frame. How lines are
 * written is in `log-writer.ts`. See docs/operations.md "Logs".
 */
import { isatty } from 'node:tty';
import { pino } from 'pino';
import { messageOf } from '../core/error.ts';
import { FIELD } from './log-field.ts';
import { cleanText, escapeJsonControls } from './log-text.ts';
import { cleanError, cleanRecord, cleanValue, isErrorLike } from './log-value.ts';
import { STDERR, stderrWriter, type LineWriter } from './log-writer.ts';
import { createPrettyLine } from './pretty-line.ts';

/** A pino logger whose records are cleaned. Make one per component and `child()` it with what a part knows. */
export type Log = pino.Logger;

/** From the noisiest to none. */
type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LogOptions {
  /** The least level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** `pretty` for people, `json` for machines, `auto` by whether stderr is a terminal. Default `auto`. */
  readonly format?: 'auto' | 'pretty' | 'json';
  /** Which program this is: `gateway`, `connector`, `cli`. */
  readonly component: string;
  /** Where lines go. Default stderr. */
  readonly destination?: LineWriter;
}

/** A new log. Logs share nothing; several may write to one destination. */
export function createLog(options: LogOptions): Log {
  const { level = 'info', format = 'auto', component } = options;
  const destination = options.destination ?? stderrWriter();
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal(options));
  const log = pino(
    {
      level,
      base: { [FIELD.component]: component, pid: process.pid },
      timestamp: timeField,
      formatters: {
        level: (label) => ({ level: label }),
        bindings: cleanRecord,
      },
      hooks: {
        logMethod(args, method) {
          method.apply(this, cleanArguments(...args));
        },
        streamWrite: escapeJsonControls,
      },
    },
    isPretty ? prettyDestination(destination, options) : destination,
  );
  cleanBindingsOfChildren(log);
  Object.defineProperty(log, pino.symbols.asJsonSym, { value: jsonLine });
  return log;
}

let timeMs = 0;
let timeText = '';

/** The time as a field. Lines of one millisecond share it: to write it out takes longer than the rest of a short line. */
function timeField(): string {
  const now = Date.now();
  if (now !== timeMs) {
    timeMs = now;
    timeText = `,"time":"${new Date(now).toISOString()}"`;
  }
  return timeText;
}

/** What a logger of pino's knows of the beginnings of its lines. */
interface LineParts {
  /** By level: `{"level":"info"`. */
  readonly [pino.symbols.lsCacheSym]: Readonly<Record<number, string>>;
  /** `,"component":"gateway","pid":1`. */
  readonly [pino.symbols.chindingsSym]: string;
}

/**
 * A line, instead of pino's own way to make one, which looks at each field for serialisers that we do not have: a line of
 * the access log took it 6.3 µs and takes this 4. The symbols are what pino offers for it. Children inherit it.
 */
function jsonLine(
  this: LineParts,
  record: object,
  message: string | undefined,
  level: number,
  time: string,
): string {
  const fields = JSON.stringify(withErrorCode(cleanRecord(record)));
  const comma = fields === '{}' ? '' : ',';
  const text = message === undefined ? '' : `,"msg":${JSON.stringify(message)}`;
  const { [pino.symbols.lsCacheSym]: levels, [pino.symbols.chindingsSym]: bindings } = this;
  return `${levels[level]}${time}${bindings}${comma}${fields.slice(1, -1)}${text}}\n`;
}

/** pino gives a child its bindings as they are, whatever `formatters.bindings` says. Grandchildren inherit this. */
function cleanBindingsOfChildren(log: Log): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its `this` below
  const createChild = log.child;
  function child(
    this: unknown,
    bindings: pino.Bindings,
    options?: pino.ChildLoggerOptions,
  ): unknown {
    return Reflect.apply(createChild, this, [cleanRecord(bindings), options]);
  }
  Object.defineProperty(log, 'child', { value: child });
}

function isTerminal(options: LogOptions): boolean {
  // process.stderr.isTTY would make a stream of it, which nobody needs.
  return options.destination === undefined && isatty(STDERR);
}

function prettyDestination(destination: LineWriter, options: LogOptions): LineWriter {
  const prettyLine = createPrettyLine({
    hasColors: isTerminal(options) && process.stderr.hasColors(),
  });
  return { write: (line) => destination.write(prettyLine(line)) };
}

type LogArguments = [recordOrMessage: unknown, message?: string, ...values: unknown[]];

/** Cleans what pino would put into the message. The record itself is cleaned by the formatters. */
function cleanArguments(first: unknown, message?: unknown, ...values: unknown[]): LogArguments {
  const rest = values.map(cleanArgument);
  if (typeof first === 'string') {
    return message === undefined
      ? [cleanText(first)]
      : [cleanText(first), textOf(message), ...rest];
  }
  const record = isErrorLike(first) ? { err: first } : first;
  if (message !== undefined) return [record, textOf(message), ...rest];
  // Without a message pino would take the one of `err`, as it is.
  const hasError = typeof record === 'object' && record !== null && 'err' in record;
  return hasError ? [record, textOf(messageOf(record.err))] : [record];
}

function cleanArgument(argument: unknown): unknown {
  return typeof argument === 'string' ? cleanText(argument) : cleanValue(argument);
}

function textOf(message: unknown): string {
  if (typeof message === 'string') return cleanText(message);
  return JSON.stringify(cleanValue(message)) ?? typeof message;
}

/** Lifts the code of `err` to where dashboards look for it; makes an error of an `err` that is something else. */
function withErrorCode(record: Record<string, unknown>): Record<string, unknown> {
  const err = record[FIELD.err];
  if (err === undefined || err === null) return record;
  if (typeof err !== 'object') return { ...record, [FIELD.err]: cleanError(err) };
  if (FIELD.code in record || !('code' in err)) return record;
  return { ...record, [FIELD.code]: err.code };
}
