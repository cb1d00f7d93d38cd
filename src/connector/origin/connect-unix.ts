/**
 * A connection to a Unix socket. A server whose queue is full makes the kernel refuse at once (`EAGAIN`), where TCP
 * would wait and try again by itself; so we do, until the time is over.
 */
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.ts';
import { hasCode } from '../../core/error.ts';
import { connectError } from './origin-error.ts';

/** How long to wait for a place in the server's queue before asking again. */
const TRY_AGAIN_MS = 20;

/** A connected socket: half-open allowed, nothing read from it. Rejects with ORIGIN_*, and the reason of `signal`. */
export function connectUnix(path: string, signal: AbortSignal, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined;
    let timer: Timer | undefined;
    const stop = (): void => {
      timer?.cancel();
      socket?.destroy();
      reject(signal.reason);
    };
    const attempt = (): void => {
      const attempted = connect({ path, allowHalfOpen: true });
      socket = attempted;
      const fail = (error: unknown): void => {
        if (signal.aborted) return;
        if (hasCode(error, 'EAGAIN')) {
          timer = clock.after(TRY_AGAIN_MS, attempt);
          return;
        }
        signal.removeEventListener('abort', stop);
        reject(connectError(`unix:${path}`, [error]));
      };
      attempted.on('error', fail);
      attempted.once('connect', () => {
        if (signal.aborted) return;
        // An error before the next owner listens must not end the process.
        attempted.on('error', () => undefined).off('error', fail);
        signal.removeEventListener('abort', stop);
        resolve(attempted);
      });
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    attempt();
  });
}
