import { withDeadline } from './deadline.js';

/** A program of bench/load seen from outside: call() runs one of its operations over IPC. */
export class LoadProcess {
  name;
  #child;
  #nextId = 1;
  #waiting = new Map();
  #ended;

  constructor(name, child) {
    this.name = name;
    this.#child = child;
    child.on('message', ({ id, result, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`${name}: ${error}`));
    });
    child.on('exit', (code, signal) => {
      this.#ended = new Error(`${name} ended with ${signal ?? `code ${code}`}`);
      for (const { reject } of this.#waiting.values()) reject(this.#ended);
      this.#waiting.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves with the operation's result; rejects with its error, or after `timeoutMs`. */
  async call(operation, details = {}, timeoutMs = 30_000) {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.send({ id, operation, details }, (error) => {
      if (error) this.#waiting.get(id)?.reject(error);
    });
    return withDeadline(answer, timeoutMs, `${this.name} ${operation}`);
  }
}
