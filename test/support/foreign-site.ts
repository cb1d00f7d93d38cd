/**
 * A browser on another site than ours: it keeps that site's cookies, follows its redirects and sends its forms, and stops
 * where the site leads away.
 */

/** A page of the site. */
export interface ForeignPage {
  readonly kind: 'page';
  readonly url: string;
  readonly html: string;
}

/** Where the site leads away: an address to visit, or a form to send there. */
export interface Away {
  readonly kind: 'away';
  readonly url: string;
  /** Those of the form; undefined for a redirect. */
  readonly fields: Readonly<Record<string, string>> | undefined;
}

/** More redirects than this are a circle. */
const MAX_REDIRECTS = 20;

export class ForeignSite {
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Visits an address of the site. */
  async visit(url: string): Promise<ForeignPage | Away> {
    return this.#follow(url, { method: 'GET' });
  }

  /** Sends a form to the site. */
  async post(url: string, fields: Readonly<Record<string, string>>): Promise<ForeignPage | Away> {
    return this.#follow(url, { method: 'POST', body: new URLSearchParams(fields).toString() });
  }

  /** Fills in the first form of a page and sends it, unless it leads away. */
  async submit(
    page: ForeignPage | Away,
    filled: Readonly<Record<string, string>> = {},
  ): Promise<ForeignPage | Away> {
    if (page.kind === 'away') return page;
    const form = readForm(page);
    const fields = { ...form.fields, ...filled };
    if (!form.action.startsWith(this.#origin)) return { kind: 'away', url: form.action, fields };
    return this.post(form.action, fields);
  }

  async #follow(
    start: string,
    first: { readonly method: string; readonly body?: string },
  ): Promise<ForeignPage | Away> {
    let [url, request] = [start, first];
    for (let count = 0; count < MAX_REDIRECTS; count += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await fetch(url, {
        ...request,
        redirect: 'manual',
        headers: this.#headers(request.method),
      });
      // oxlint-disable-next-line no-await-in-loop
      const html = await response.text();
      this.#keep(response.headers.getSetCookie());
      const location = response.headers.get('location');
      if (location === null) return { kind: 'page', url, html };
      url = new URL(location, url).href;
      request = { method: 'GET' };
      if (!url.startsWith(this.#origin)) return { kind: 'away', url, fields: undefined };
    }
    throw new Error(`Cannot visit ${start}: it redirects for ever`);
  }

  #headers(method: string): Record<string, string> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    return { cookie, ...(method === 'POST' ? type : {}) };
  }

  #keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, value);
    }
  }
}

function readForm({ html, url }: ForeignPage): {
  readonly action: string;
  readonly fields: Record<string, string>;
} {
  const form = /<form[^>]*>.*?<\/form>/is.exec(html)?.[0];
  if (form === undefined) throw new Error(`Cannot find a form at ${url}:\n${html}`);
  const action = attribute(/<form[^>]*>/i.exec(form)?.[0] ?? '', 'action') ?? url;
  const inputs = Array.from(form.matchAll(/<input[^>]*>/gi), ([tag]) => tag);
  const fields = inputs.flatMap((tag) => {
    const name = attribute(tag, 'name');
    return name === undefined ? [] : [[name, attribute(tag, 'value') ?? ''] as const];
  });
  return { action: new URL(action, url).href, fields: Object.fromEntries(fields) };
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\s${name}="([^"]*)"`, 'i')
    .exec(tag)?.[1]
    ?.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
