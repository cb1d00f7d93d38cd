/** What signing in says to its user, and how it opens a browser. Passed in, so that commands and tests decide. */
export interface SignInTerminal {
  /** Says a line that the user needs. */
  say(line: string): void;
  /** Says what is going on, where somebody watches; nothing in a pipe. */
  progress(line: string): void;
  /** Opens the user's browser; false when there is none here. */
  openBrowser(url: string): Promise<boolean>;
}
