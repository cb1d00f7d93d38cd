/**
 * Whether an answer of ours should be a page for a person or JSON for a program.
 *
 * Pure over the Accept field (RFC 9110 §12.5.1). Only types that are named count: programs send wildcards, and browsers
 * always name HTML.
 */

/** The forms an answer may have. */
export type PageKind = 'html' | 'json';

const HTML = /^(?:text\/html|application\/xhtml\+xml)$/;
const JSON_TYPE = /^application\/(?:[^\s/]{0,100}\+)?json$/;

/** HTML where it is named and no kind of JSON is liked better, and otherwise JSON; of two liked alike, the first. */
export function pageKind(accept: string | undefined): PageKind {
  let best: PageKind = 'json';
  let bestWeight = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const kind = kindOf(type);
    const weight = weightOf(parameters);
    if (kind === undefined || weight <= bestWeight) continue;
    best = kind;
    bestWeight = weight;
  }
  return best;
}

function kindOf(type: string): PageKind | undefined {
  if (HTML.test(type)) return 'html';
  return JSON_TYPE.test(type) ? 'json' : undefined;
}

/** The `q` of a media range: 1 where there is none, 0 where it is no number from 0 to 1. */
function weightOf(parameters: readonly string[]): number {
  const written = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  if (written === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(written) ? Number(written) : 0;
}
