/**
 * One HTTP exchange of which every byte is checked, over whichever version of HTTP: the pattern down, from a place of its
 * own, or the pattern up, whose digest the origin answers with.
 */
import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import { PatternCheck, PatternSource } from '../pattern.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { FailureHow } from './load.ts';

export interface HttpJob {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Bytes of the pattern, and where it begins. */
  readonly bytes: number;
  readonly from: number;
  /** How fast the user sends or reads. Default: as fast as it goes. */
  readonly bytesPerSecond?: number | undefined;
}

/** An answer whose head has come. */
export interface HttpHead {
  readonly status: number;
  readonly requestId: string;
  readonly body: Readable;
  /** Whether its connection is gone: Node's client of HTTP/2 then ends a body as if all of it had come. */
  readonly isGone?: () => boolean;
}

/** A request that was begun. */
export interface HttpCall {
  /** Takes the body; ended by the job in any case. */
  readonly body: Writable;
  readonly head: Promise<HttpHead>;
  readonly destroy: (error: Error) => void;
}

/** What went wrong, in the words of `Failure`. */
export class HttpJobError extends Error {
  readonly how: FailureHow;
  readonly status: number | undefined;

  constructor(how: FailureHow, message: string, status?: number) {
    super(message);
    this.how = how;
    this.status = status;
  }
}

/** A user waits so long for the next byte, ms. */
const PATIENCE_MS = 60_000;
const PIECE_BYTES = 64 * 1024;

/** Half of them down and half of them up, small sizes as likely as large ones. */
export function randomJob(random: SeededRandom, most: number): HttpJob {
  const bytes = random.magnitude(most);
  const from = random.below(2 ** 32);
  if (random.next() < 0.5) return downloadJob(bytes, from);
  return uploadJob(bytes, from);
}

export function downloadJob(bytes: number, from: number, bytesPerSecond?: number): HttpJob {
  return { method: 'GET', path: `/bytes/${bytes}?from=${from}`, bytes, from, bytesPerSecond };
}

export function uploadJob(bytes: number, from: number, bytesPerSecond?: number): HttpJob {
  return { method: 'POST', path: '/sha256', bytes, from, bytesPerSecond };
}

/** Resolves when all came and was right. Rejects with HttpJobError. `moved` hears of every piece. */
export async function runHttpJob(
  job: HttpJob,
  call: HttpCall,
  moved: (bytes: number) => void,
): Promise<void> {
  const patience = new Patience(() => call.destroy(new HttpJobError('hung', 'nothing came')));
  const step = (bytes: number): void => {
    patience.renew();
    moved(bytes);
  };
  const head = call.head;
  head.catch(() => undefined);
  let requestId = '';
  try {
    const sent = job.method === 'POST' ? send(job, call.body, step) : end(call.body);
    sent.catch(() => undefined);
    const answer = await head;
    requestId = answer.requestId;
    if (answer.status !== 200) throw await complaint(answer);
    const digest = await sent;
    if (job.method === 'GET') await readPattern(job, answer, step);
    else compare(answer, await readText(answer.body, step), job.bytes, digest);
  } catch (error) {
    call.destroy(new HttpJobError('broken', 'given up'));
    throw asJobError(error, requestId);
  } finally {
    patience.end();
  }
}

class Patience {
  readonly #timer: NodeJS.Timeout;

  constructor(lose: () => void) {
    this.#timer = setTimeout(lose, PATIENCE_MS);
  }

  renew(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

async function end(body: Writable): Promise<string> {
  body.end();
  return '';
}

/** Sends the pattern and returns its digest. */
async function send(
  { bytes, from, bytesPerSecond }: HttpJob,
  body: Writable,
  moved: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const source = new PatternSource(from);
  for (let left = bytes; left > 0;) {
    const piece = source.next(Math.min(left, PIECE_BYTES));
    left -= piece.byteLength;
    hash.update(piece);
    // Node's client does not always say that it took the last of it, when the answer comes before it could.
    if (left === 0) {
      body.end(piece);
      break;
    }
    if (!body.write(piece)) await drained(body);
    moved(0);
    if (bytesPerSecond !== undefined) await delay((1000 * piece.byteLength) / bytesPerSecond);
  }
  return hash.digest('hex');
}

/** Rejects when the body is closed instead; why it was is what the answer says. */
function drained(body: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      body.off('drain', onDrain);
      body.off('close', onClose);
      act();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new HttpJobError('broken', 'it closed in the body')));
    body.on('drain', onDrain);
    body.on('close', onClose);
    if (body.destroyed) onClose();
  });
}

async function readPattern(
  { bytes, from, bytesPerSecond }: HttpJob,
  { body, isGone }: HttpHead,
  moved: (bytes: number) => void,
): Promise<void> {
  const check = new PatternCheck(from);
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) throw new HttpJobError('wrong', 'the body is no bytes');
    try {
      check.push(chunk);
    } catch (error) {
      throw new HttpJobError('wrong', String(error));
    }
    moved(chunk.byteLength);
    if (bytesPerSecond !== undefined) await delay((1000 * chunk.byteLength) / bytesPerSecond);
  }
  if (check.bytes === bytes) return;
  const isGoneWithIt = isGone?.() === true;
  const how = isGoneWithIt ? 'broken' : 'wrong';
  const manner = isGoneWithIt ? 'with its connection' : 'in order';
  throw new HttpJobError(how, `it ended ${manner} after ${check.bytes} of ${bytes} bytes`);
}

async function readText(body: Readable, moved: (bytes: number) => void): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) {
    if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  moved(whole.byteLength);
  return whole.toString();
}

function compare({ isGone }: HttpHead, answer: string, bytes: number, sha256: string): void {
  const whole = JSON.stringify({ bytes, sha256 });
  if (answer === whole) return;
  if (isGone?.() === true && whole.startsWith(answer)) {
    throw new HttpJobError(
      'broken',
      `its answer ended with its connection after ${answer.length} bytes`,
    );
  }
  throw new HttpJobError('wrong', `${bytes} bytes of ${sha256} were sent, it got ${answer}`);
}

async function complaint({ status, body }: HttpHead): Promise<HttpJobError> {
  const text = await readText(body, () => undefined).catch(String);
  const code = /\b[A-Z]+_[A-Z_]+\b/.exec(text)?.[0] ?? text.slice(0, 200);
  return new HttpJobError('answered', `status ${status} ${code}`, status);
}

function asJobError(error: unknown, requestId: string): HttpJobError {
  const said = requestId === '' ? 'no answer' : `request ${requestId}`;
  if (error instanceof HttpJobError) {
    return new HttpJobError(error.how, `${error.message}, ${said}`, error.status);
  }
  const [code, message] = ['code', 'message'].map((key): unknown =>
    Reflect.get(Object(error), key),
  );
  const how = code === 'ECONNREFUSED' ? 'refused' : 'broken';
  return new HttpJobError(how, `${String(code)} ${String(message)}, ${said}`);
}
