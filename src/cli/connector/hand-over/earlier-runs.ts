/**
 * The processes that the main process of a service, and others before it, took over from, and which still finish their streams.
 * systemd stops only the main one, so that one tells them, and ends last.
 */
import { callConnector } from './control-client.ts';

/** How long one may take to say that it is there, ms. */
const STATUS_MS = 2_000;

export class EarlierRuns {
  readonly #sockets = new Set<string>();

  /** Where those listen that are not known to be gone. */
  get sockets(): readonly string[] {
    return [...this.#sockets];
  }

  add(sockets: readonly string[]): void {
    for (const socket of sockets) this.#sockets.add(socket);
  }

  /** How many are there still. */
  async count(): Promise<number> {
    const asked = this.sockets.map(async (socket) => {
      const status = await callConnector(socket, 'status', STATUS_MS).catch(() => undefined);
      if (status === undefined) this.#sockets.delete(socket);
    });
    await Promise.all(asked);
    return this.#sockets.size;
  }

  /** Has them end within their grace period. Resolves when they have. */
  async drain(): Promise<void> {
    await this.#tell('drain');
  }

  /** Has them end at once. */
  async stop(): Promise<void> {
    await this.#tell('stop');
  }

  async #tell(call: 'drain' | 'stop'): Promise<void> {
    // Their answer is their end.
    const told = this.sockets.map(async (socket) =>
      callConnector(socket, call).catch(() => undefined),
    );
    await Promise.all(told);
  }
}
