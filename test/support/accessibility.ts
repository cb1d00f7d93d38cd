/** The basics that make a page usable for everybody, as far as a machine can tell. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Page } from 'playwright-core';

const SCRIPT = readFileSync(join(import.meta.dirname, 'page-faults.js'), 'utf8');

/** What is wrong with the page that is open; nothing is well. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(SCRIPT);
}
