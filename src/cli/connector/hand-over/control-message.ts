/**
 * What is said over the control socket of a connector: one line of JSON in each direction, and the connection is over.
 * docs/decisions/0022.
 */
import { PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { readError, writeError } from '../../../core/written-error.ts';
import type { ConfigStatus } from '../../../telemetry/config-state.ts';

/** Longest error that is told, characters: it must fit a line. */
const MAX_MESSAGE_CHARS = 2_000;

/** What a connector can be asked. `drain` and `stop` are for those that it took over from. */
const CONTROL_CALLS = ['status', 'reload', 'drain', 'stop'] as const;

export type ControlCall = (typeof CONTROL_CALLS)[number];

/** One process of a connector. Fields may be added. */
export interface ConnectorStatus {
  readonly pid: number;
  /** Name or id of the tunnel, as the configuration or the token has it. */
  readonly tunnel: string;
  readonly tunnelId: string;
  readonly replica: string;
  readonly links: number;
  readonly streams: number;
  /** `parent`: its own streams have ended, and it waits for those that took over. */
  readonly state: 'starting' | 'serving' | 'draining' | 'parent';
  readonly version: string;
  /** When it started, ISO 8601. */
  readonly since: string;
  /** What became of its files; absent in versions before. */
  readonly config?: ConfigStatus;
}

/** The line that asks. */
export function formatCall(call: ControlCall): string {
  return `${JSON.stringify({ call })}\n`;
}

/** Reads the line that asks. Throws ADMIN_BAD_REQUEST. */
export function parseCall(line: string): ControlCall {
  const call = fieldOf(parse(line), 'call');
  const known = CONTROL_CALLS.find((one) => one === call);
  if (known !== undefined) return known;
  throw new PosternError('ADMIN_BAD_REQUEST', 'Cannot answer: not a call of this version');
}

/** The line that answers. */
export function formatAnswer(result: unknown): string {
  return `${JSON.stringify({ result })}\n`;
}

/** The line that says why there is no answer. */
export function formatFailure(error: unknown): string {
  const { code, message } = writeError(error);
  return `${JSON.stringify({ error: { code, message: message.slice(0, MAX_MESSAGE_CHARS) } })}\n`;
}

/** Reads the line that answers. Throws the error that it carries, and CLI_FAILED for what is no answer. */
export function parseAnswer(line: string): unknown {
  const answer = parse(line);
  const error = fieldOf(answer, 'error');
  if (error !== undefined) {
    const [code, message] = [fieldOf(error, 'code'), fieldOf(error, 'message')];
    throw readError({ code: String(code), message: String(message) });
  }
  const result = fieldOf(answer, 'result');
  if (result !== undefined) return result;
  throw new PosternError('CLI_FAILED', 'Cannot understand the answer of the connector');
}

/** Collects one line; undefined until it is whole. Throws ADMIN_BAD_REQUEST for a longer one than allowed. */
export class LineBuffer {
  #text = '';

  push(chunk: Buffer): string | undefined {
    this.#text += chunk.toString();
    const end = this.#text.indexOf('\n');
    if (end !== -1) return this.#text.slice(0, end);
    if (this.#text.length <= LIMITS.controlLineChars) return undefined;
    throw new PosternError('ADMIN_BAD_REQUEST', 'Cannot answer: the line is too long');
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
