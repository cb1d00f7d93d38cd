/** The way a request to the demo page took, as the page tells it. */
export interface DemoJourney {
  /** Where the gateway listens. */
  readonly gateway: string;
  /** Which connector process carried it. */
  readonly replica: string;
  /** Where the page itself is served. */
  readonly origin: string;
  /** Commands that show more of what runs. */
  readonly commands: readonly string[];
}

/** What the page knows of one request. */
export interface DemoRequest {
  /** The user's address, as the gateway tells it. */
  readonly client: string;
  readonly requestId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
}
