/**
 * Where the time of one request goes: at the gateway, on the way to a connection to its origin, and at the origin. As
 * performance.now() counts. A request that is sent again, to another replica for example, has the times of the last attempt; all
 * before counts as the gateway's.
 */
export class RequestTimes {
  readonly startedAt = performance.now();
  /** When a connection to the origin was asked for, and when it was there; undefined where one was kept open. */
  openingAt: number | undefined;
  openedAt: number | undefined;
  /** When the request was given to that connection. */
  sentAt: number | undefined;
  /** When the head of the origin's response was there. */
  answeredAt: number | undefined;

  /** A stream to an origin is being opened. */
  opening(): void {
    this.openingAt = performance.now();
    this.openedAt = undefined;
    this.sentAt = undefined;
  }

  opened(): void {
    this.openedAt = performance.now();
  }

  sent(): void {
    this.sentAt = performance.now();
  }

  answered(): void {
    this.answeredAt ??= performance.now();
  }

  /** From the head of the request until it left for the origin; undefined where it never did. */
  get gatewayMs(): number | undefined {
    return this.sentAt === undefined ? undefined : this.sentAt - this.startedAt;
  }

  /** Of these, until a connection to the origin was there that was opened for it. */
  get connectMs(): number | undefined {
    const { openingAt, openedAt } = this;
    return openingAt === undefined || openedAt === undefined ? undefined : openedAt - openingAt;
  }

  /** From then until the head of the response. */
  get originMs(): number | undefined {
    const { sentAt, answeredAt } = this;
    return sentAt === undefined || answeredAt === undefined ? undefined : answeredAt - sentAt;
  }
}
