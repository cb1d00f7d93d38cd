/**
 * Headless Chromium that finds *.postern.test on this machine. One process a suite; each visitor has a context of its own, with its own
 * cookies.
 */
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

import { currentScope } from './cleanup.ts';
import { toolPath } from './tools.ts';

/** Sizes at which pages are looked at. */
export const VIEWPORTS = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
} as const;

/** Starts the browser. The clean-up ends it. */
export async function startBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: toolPath('chromium'),
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--host-resolver-rules=MAP *.postern.test 127.0.0.1',
    ],
  });
  currentScope().add(async () => browser.close());
  return browser;
}

/** A visitor who has never been here. */
export async function newVisitor(
  browser: Browser,
  options: { readonly javaScript?: boolean; readonly viewport?: keyof typeof VIEWPORTS } = {},
): Promise<BrowserContext> {
  const { javaScript = true, viewport = 'desktop' } = options;
  const context = await browser.newContext({
    // The certificate is of a private authority made for this run.
    ignoreHTTPSErrors: true,
    javaScriptEnabled: javaScript,
    viewport: VIEWPORTS[viewport],
  });
  context.setDefaultTimeout(60_000);
  currentScope().add(async () => context.close());
  return context;
}

/** Keeps a picture of a page where POSTERN_TEST_SCREENSHOTS names a folder, at both sizes. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['POSTERN_TEST_SCREENSHOTS'];
  if (folder === undefined) return;
  const before = page.viewportSize();
  for (const [size, viewport] of Object.entries(VIEWPORTS)) {
    // oxlint-disable no-await-in-loop
    await page.setViewportSize(viewport);
    await page.screenshot({ path: join(folder, `${name}-${size}.png`), fullPage: true });
    // oxlint-enable no-await-in-loop
  }
  if (before !== null) await page.setViewportSize(before);
}
