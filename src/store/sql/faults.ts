/** What the shared queries need to know about the errors of one database, and nothing more. */
export interface DatabaseFaults {
  /** Whether another process held a lock, so that the same operation may succeed in a moment. */
  isBusy(error: unknown): boolean;
  /** What is wrong, for the end of a sentence: a state and, where there is one, a remedy. */
  explain(error: unknown): string;
}
