/** The launchd property lists of service-files/, with the settings of one machine put in. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeHtml } from '../../core/escape-html.ts';
import { PACKAGE_ROOT } from '../../core/package-root.ts';
import { WRITTEN_BY_US } from './written-files.ts';

export type PropertyListSettings = Readonly<Record<string, string | number | readonly string[]>>;

/** The text of a file of service-files/ with our line behind its first, and `settings` in the places of its own. */
export async function propertyList(name: string, settings: PropertyListSettings): Promise<string> {
  const text = await readFile(join(PACKAGE_ROOT, 'service-files', name), 'utf8');
  return withProperties(text.replace('?>\n', `?>\n<!-- ${WRITTEN_BY_US} -->\n`), settings);
}

/** Replaces the value of each key. A key that the text does not have is a bug. */
export function withProperties(text: string, settings: PropertyListSettings): string {
  let changed = text;
  for (const [key, value] of Object.entries(settings)) {
    const place = new RegExp(`(<key>${key}</key>\\s*)<(array|string|integer)>.*?</\\2>`, 's');
    if (!place.test(changed)) throw new Error(`no ${key} to replace`);
    changed = changed.replace(place, (_, before: string) => `${before}${element(value)}`);
  }
  return changed;
}

function element(value: string | number | readonly string[]): string {
  if (typeof value === 'number') return `<integer>${value}</integer>`;
  if (typeof value === 'string') return `<string>${escapeHtml(value)}</string>`;
  const items = value.map((item) => `    <string>${escapeHtml(item)}</string>\n`);
  return `<array>\n${items.join('')}  </array>`;
}
