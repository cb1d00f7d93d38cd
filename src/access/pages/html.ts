/**
 * HTML that cannot be broken out of: a template whose values are escaped unless they are HTML already.
 *
 * Every value on a page goes through here, whoever it comes from: a provider names people and groups, a user names himself,
 * a browser sends whatever it likes (case A7). Values belong into text and quoted attributes, never into tags, styles or URLs of
 * which they are the scheme.
 */
import { escapeHtml } from '../../core/escape-html.ts';

/** A piece of HTML, as `html` makes it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[] | undefined;

/** A piece of HTML from a template. Text is escaped, HTML and lists of it are put in as they are, undefined is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  const text = parts.map((part, at) => `${at === 0 ? '' : written(values[at - 1])}${part}`);
  return new Html(text.join(''));
}

function written(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escape(String(value));
  return value.map(({ text }) => text).join('\n');
}

// oxlint-disable-next-line no-control-regex
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Text with no power in HTML. Characters that turn the direction of text around, or control anything, become "�". */
function escape(text: string): string {
  return escapeHtml(text.replaceAll(INVISIBLE, '\ufffd'));
}
