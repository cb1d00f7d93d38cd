/**
 * Makes text from anywhere safe to log: no secret of a known form, no character that moves a cursor, bounded length.
 *
 * Pure functions over strings. Every string that reaches a log line passes cleanText(); what is printed on a terminal
 * passes escapeControls() as well. Neither ever throws. See docs/operations.md "Logs".
 */

/** Longest text of one logged value, UTF-16 units; longer text is cut and says so. test/unit/telemetry/log-text.test.ts */
export const MAX_TEXT_LENGTH = 8 * 1024;

/** What stands where a secret stood. */
export const REDACTED = '[redacted]';

/** How much text is searched for secrets: a secret that begins before this and is longer is cut off anyway. */
const MAX_SEARCHED_LENGTH = 8 * MAX_TEXT_LENGTH;

/** Secrets that give themselves away wherever they stand. Each pattern is linear in the length of the text. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  // Tunnel tokens, and the secrets of browsers' and clients' sessions.
  [/\b(p(?:st|se|cl)_)[\w-]{16,}/g, `$1${REDACTED}`],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, REDACTED],
  [/\bBearer +[\w.~+/=-]{8,}/gi, `Bearer ${REDACTED}`],
  // A digit, a capital or padding tells credentials from the words "Basic authentication".
  [/\bBasic +(?=[a-z+/]*[A-Z0-9=])[\w+/]{4,}=*/g, `Basic ${REDACTED}`],
  [/\/\/[^\s/?#@"\\:]*:[^\s/?#@"\\]+@/g, `//${REDACTED}@`],
  [
    /([?&](?:\w+[_-])?(?:token|secret|password|code|state|assertion|jwt|signature)=)[^&\s"#]+/gi,
    `$1${REDACTED}`,
  ],
  [
    /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^]*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|$)/g,
    REDACTED,
  ],
];

/** Every secret above has one of these in it. Most of what is logged has none, and this is asked for every field. */
const MAY_HOLD_SECRET = /[_J @=]/;

/** C0, DEL, C1, line and paragraph separators, and the characters that turn the direction of text around. */
const CONTROLS =
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Those of CONTROLS that JSON leaves as they are. */
const JSON_CONTROLS = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Short texts that were looked at and have no secret: names of policies and the like are in every line. */
const CLEAN = new Set<string>();
const MAX_CLEAN = 1_000;
const MAX_CLEAN_LENGTH = 64;

/** `text` without secrets of a known form, cut at MAX_TEXT_LENGTH. */
export function cleanText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH && !MAY_HOLD_SECRET.test(text)) return text;
  if (text.length > MAX_CLEAN_LENGTH) return withoutSecrets(text);
  if (CLEAN.has(text)) return text;
  const cleaned = withoutSecrets(text);
  if (cleaned === text && CLEAN.size < MAX_CLEAN) CLEAN.add(text);
  return cleaned;
}

function withoutSecrets(text: string): string {
  let cleaned = text.length > MAX_SEARCHED_LENGTH ? text.slice(0, MAX_SEARCHED_LENGTH) : text;
  for (const [pattern, replacement] of SECRETS) cleaned = cleaned.replace(pattern, replacement);
  if (cleaned.length <= MAX_TEXT_LENGTH) return cleaned;
  return `${cleaned.slice(0, MAX_TEXT_LENGTH)}… (${text.length} characters)`;
}

/** `text` with every control character written out (`\n`, `\u001b`), so that it stays on its line and in its colour. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (char) => SHORT_ESCAPES[char] ?? unicodeEscape(char));
}

/** The same for a line of JSON: the value stays equal, but no terminal acts on the bytes. */
export function escapeJsonControls(line: string): string {
  // Nearly every line is ASCII, which is known sooner than that there is nothing to replace.
  if (Buffer.byteLength(line) === line.length && !line.includes('\u007f')) return line;
  return line.replace(JSON_CONTROLS, unicodeEscape);
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
