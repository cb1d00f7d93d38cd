/**
 * The unit files of service-files/, with the settings of one machine put in.
 *
 * Everything that is the same everywhere, hardening above all, stands in those files and nowhere else. What is put in comes
 * from people, and a unit file gives meaning to blanks, quotes, `%` and `$`: paths with such characters are refused.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError } from '../../core/error.ts';
import { PACKAGE_ROOT } from '../../core/package-root.ts';
import { WRITTEN_BY_US } from './written-files.ts';

/** By name; a list gives several lines of that name, an empty one none. */
export type UnitSettings = Readonly<Record<string, string | readonly string[]>>;

/** The text of a file of service-files/ with our line in front and `settings` in the places of its own. */
export async function unitFile(name: string, settings: UnitSettings): Promise<string> {
  const text = await readFile(join(PACKAGE_ROOT, 'service-files', name), 'utf8');
  return `# ${WRITTEN_BY_US}\n${withSettings(text, settings)}`;
}

/** Replaces each setting where its first line is. A setting that the text does not have is a bug. */
export function withSettings(text: string, settings: UnitSettings): string {
  let lines = text.split('\n');
  for (const [name, value] of Object.entries(settings)) {
    const at = lines.findIndex((line) => line.startsWith(`${name}=`));
    if (at === -1) throw new Error(`no ${name} to replace`);
    const values = typeof value === 'string' ? [value] : value;
    const isOther = (line: string): boolean => !line.startsWith(`${name}=`);
    lines = [
      ...lines.slice(0, at),
      ...values.map((own) => `${name}=${own}`),
      ...lines.slice(at).filter(isOther),
    ];
  }
  return lines.join('\n');
}

/** An absolute path that means itself in a unit file. Throws CLI_USAGE for one that does not. */
export function unitPath(path: string): string {
  if (/^\/[\w./@+,=~-]*$/.test(path)) return path;
  const remedy = 'use one of letters, digits and "/._-@+,=~"';
  throw new PosternError(
    'CLI_USAGE',
    `Cannot name "${path}" in a unit file: it has blanks or other characters with a meaning there; ${remedy}`,
  );
}
