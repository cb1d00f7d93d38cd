/**
 * As much of a browser as signing in needs, over real connections: a cookie jar per host, redirects, forms, the headers that
 * browsers send with a visit.
 */
import type { Answer, Gateway } from './gateway.ts';
import { run, posternCommand, posternEnv } from './run.ts';

export interface Visit extends Answer {
  /** Where the last redirect led. */
  readonly url: string;
  /** Every address on the way, the last included. */
  readonly way: readonly string[];
}

const VISIT = {
  accept: 'text/html,application/xhtml+xml',
  'sec-fetch-mode': 'navigate',
  'user-agent': 'Mozilla/5.0 (X11; Linux) Firefox/140.0',
};

export class CookieBrowser {
  readonly #gateway: Gateway;
  /** By host, then by name. */
  readonly jars = new Map<string, Map<string, string>>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** The cookies of a host, to look at or to change. */
  jar(hostname: string): Map<string, string> {
    const jar = this.jars.get(hostname) ?? new Map<string, string>();
    this.jars.set(hostname, jar);
    return jar;
  }

  /** The Cookie field for a host. */
  cookies(hostname: string): string {
    return [...this.jar(hostname)].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** One request, with this host's cookies, and no redirect followed. */
  async ask(
    url: string,
    how: {
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    } = {},
  ): Promise<Answer> {
    const { hostname, pathname, search } = new URL(url);
    const cookie = this.cookies(hostname);
    const headers = { ...VISIT, ...(cookie !== '' && { cookie }), ...how.headers };
    const answer = await this.#gateway.fetch(hostname, pathname + search, { ...how, headers });
    for (const text of answer.headers['set-cookie'] ?? []) this.#keep(hostname, text);
    return answer;
  }

  /** A visit: follows redirects, and what a page says with `refresh`. */
  async visit(url: string): Promise<Visit> {
    return this.#follow(url, await this.ask(url));
  }

  /** Sends a form of a page. */
  async post(url: string, fields: Readonly<Record<string, string>>): Promise<Visit> {
    const { origin } = new URL(url);
    const answer = await this.ask(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin,
        'sec-fetch-site': 'same-origin',
      },
      body: new URLSearchParams(fields).toString(),
    });
    return this.#follow(url, answer);
  }

  /** Signs in with the password page that a visit ended at, as `name` whose password is `password of <name>`. */
  async signIn(page: Visit, name: string): Promise<Visit> {
    const html = page.body.toString();
    const action = unescape(/action="([^"]+)"/.exec(html)?.[1] ?? '');
    const ticket = unescape(/name="ticket" value="([^"]+)"/.exec(html)?.[1] ?? '');
    const fields = { ticket, name, username: name, password: passwordOf(name) };
    return this.post(new URL(action, page.url).href, fields);
  }

  async #follow(url: string, first: Answer): Promise<Visit> {
    const way = [url];
    let [answer, at] = [first, url];
    while (way.length < 12) {
      const next =
        answer.headers.location ??
        unescape(
          /http-equiv="refresh" content="0;url=([^"]+)"/.exec(answer.body.toString())?.[1] ?? '',
        );
      if (next === '') break;
      at = new URL(next, at).href;
      way.push(at);
      answer = await this.ask(at);
    }
    return { ...answer, url: at, way };
  }

  #keep(hostname: string, text: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
    if (/;\s*max-age=0/i.test(text)) this.jar(hostname).delete(name);
    else this.jar(hostname).set(name, value);
  }
}

/** Adds a local user. */
export async function addUser(
  gateway: Gateway,
  name: string,
  about: { readonly email?: string; readonly groups?: readonly string[] } = {},
): Promise<void> {
  const { email, groups = [] } = about;
  const [command, args] = posternCommand(
    'gateway',
    'user',
    'add',
    name,
    ...(email === undefined ? [] : ['--email', email]),
    ...(groups.length === 0 ? [] : ['--groups', groups.join(',')]),
    '--config',
    gateway.configFile,
  );
  const { code, stderr } = await run(command, args, {
    input: `${passwordOf(name)}\n`,
    env: posternEnv(),
  });
  if (code !== 0) throw new Error(`Cannot add user ${name}: ${stderr}`);
}

function passwordOf(name: string): string {
  return `password of ${name}`;
}

function unescape(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
