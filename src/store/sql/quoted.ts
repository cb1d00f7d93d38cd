/** The longest input that an error message repeats in full, characters. */
const SHOWN_CHARS = 100;

/** Input as an error message names it: in quotes, on one line, never long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}
