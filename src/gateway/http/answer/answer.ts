/** A whole response of the gateway's own, without its framing. */
export interface Answer {
  readonly status: number;
  /** Names and values in turn, Content-Length among them. */
  readonly headers: string[];
  readonly body: string;
}
