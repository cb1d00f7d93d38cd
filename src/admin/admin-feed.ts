/**
 * An answer that goes on: lines of JSON, as things happen, until either side has enough. docs/decisions/0031.
 *
 * Who reads too slowly loses lines and is told how many; nothing waits for them, and no more than LIMITS.tailBytes is kept.
 */
import type { ServerResponse } from 'node:http';
import { LIMITS } from '../core/limits.ts';

/** What a handler gives back in place of a result. */
export class AdminFeed {
  readonly #start: (push: (line: object) => void) => () => void;

  /** @param start Begins to push lines; what it returns ends that. */
  constructor(start: (push: (line: object) => void) => () => void) {
    this.#start = start;
  }

  /** Answers with the lines. The result ends it from our side. */
  answer(response: ServerResponse): () => void {
    let lost = 0;
    let isOver = false;
    const write = (line: object): void => void response.write(`${JSON.stringify(line)}\n`);
    const tellLost = (): void => {
      if (lost === 0 || isOver) return;
      write({ type: 'lost', count: lost });
      lost = 0;
    };
    const push = (line: object): void => {
      if (isOver) return;
      if (response.writableLength > LIMITS.tailBytes) {
        lost += 1;
        return;
      }
      tellLost();
      write(line);
    };
    // It may have no place for another reader, which is an answer, too. It pushes nothing yet.
    const stop = this.#start(push);
    response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' });
    response.on('drain', tellLost);
    response.on('close', () => {
      isOver = true;
      stop();
    });
    write({ type: 'ready' });
    return () => {
      if (isOver) return;
      tellLost();
      write({ type: 'end' });
      response.end();
    };
  }
}
