/**
 * The numbers of one tunnel at the gateway.
 *
 * Plain fields that `gateway-metrics.ts` reads at a scrape. A series that was removed may still be counted into by what
 * has not ended yet; nobody sees it any more.
 */
import { outcomeOf } from './outcome.ts';
import { statusClassOf } from './status-class.ts';
import { StreamCounts } from './stream-counts.ts';
import { Tally } from './tally.ts';

export class TunnelSeries extends StreamCounts {
  links = 0;
  replicas = 0;
  readonly resumes = new Tally('outcome');
  readonly requests = new Tally('status_class');
  readonly moved = new Tally('code');
  readonly #onRequestSeconds: (seconds: number) => void;

  /** @param onRequestSeconds Told how long each HTTP request took. */
  constructor(onRequestSeconds: (seconds: number) => void) {
    super();
    this.#onRequestSeconds = onRequestSeconds;
  }

  /** A link of the tunnel registered. Each needs one linkClosed(). */
  linkOpened(): void {
    this.links += 1;
  }

  linkClosed(): void {
    this.links -= 1;
  }

  /** The first link of a replica registered. Each needs one replicaLeft(). */
  replicaJoined(): void {
    this.replicas += 1;
  }

  replicaLeft(): void {
    this.replicas -= 1;
  }

  /** A detached stream was attached again, or, with an error, could not be. */
  streamResumed(error?: unknown): void {
    this.resumes.add(outcomeOf(error));
  }

  /** An HTTP request that one replica could not take went to another. */
  requestMoved(error: unknown): void {
    this.moved.add(outcomeOf(error));
  }

  /** An HTTP request was answered with `status`, `seconds` after its head had arrived. */
  httpRequest(status: number, seconds: number): void {
    this.requests.add(statusClassOf(status));
    this.#onRequestSeconds(seconds);
  }
}
