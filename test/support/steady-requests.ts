/**
 * Users who never stop asking: requests one after the other by several at once, each with the time it began and how it
 * ended, so that a test can say when, if ever, somebody was failed.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { cleanup } from './cleanup.ts';
import type { Gateway } from './gateway.ts';

/** One request that has ended. Times are those of `performance.now()`. */
export interface Asked {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Undefined when it was answered as it should be. */
  readonly failure: string | undefined;
}

export interface SteadyOptions {
  /** How many users ask at once. */
  readonly users: number;
  /** Asks once, and says what went wrong if anything did. `user` counts from 0. */
  readonly ask: (user: number) => Promise<string | undefined>;
  /** How long a user rests between two requests, ms. Default not at all. */
  readonly pauseMs?: number;
}

export class SteadyRequests {
  readonly asked: Asked[] = [];
  readonly #running: Promise<unknown>;
  #isOver = false;

  constructor({ users, ask, pauseMs }: SteadyOptions) {
    const all = Array.from({ length: users }, (_, user) => this.#askOn(() => ask(user), pauseMs));
    this.#running = Promise.all(all);
    cleanup(() => this.stop());
  }

  /** Lets the requests under way end and returns all there were. Safe to call twice. */
  async stop(): Promise<readonly Asked[]> {
    this.#isOver = true;
    await this.#running;
    return this.asked;
  }

  async #askOn(ask: () => Promise<string | undefined>, pauseMs = 0): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now();
      const failure = await ask().catch((error: unknown) => String(error));
      this.asked.push({ startedAt, endedAt: performance.now(), failure });
      if (pauseMs > 0) await delay(pauseMs);
    }
  }
}

/** GETs `path` and wants 200. Even users keep their connection, odd ones make a new one for each request. */
export function askHttp(gateway: Gateway, hostname: string, path: string): SteadyOptions['ask'] {
  const kept = new Agent({ keepAlive: true });
  cleanup(() => kept.destroy());
  const options = { ...gateway.connectOptions(hostname), path, headers: { host: hostname } };
  return (user) =>
    new Promise((resolve) => {
      const asked = request({ ...options, agent: user % 2 === 0 ? kept : false }, (response) => {
        response.resume();
        response.on('error', (error) => resolve(String(error)));
        response.on('end', () => {
          const { statusCode } = response;
          resolve(statusCode === 200 ? undefined : `status ${statusCode}`);
        });
      });
      asked.on('error', (error) => resolve(String(error)));
      asked.end();
    });
}

/** Opens a connection to the port of a service that echoes, wants its bytes back, and ends it. */
export function askEcho(port: number): SteadyOptions['ask'] {
  return async () => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    try {
      socket.end('are you there?');
      await once(socket, 'end');
    } finally {
      socket.destroy();
    }
    return answer === 'are you there?' ? undefined : `answer ${JSON.stringify(answer)}`;
  };
}
