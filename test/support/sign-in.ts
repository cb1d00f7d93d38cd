/**
 * Sign-in without a server: its parts in memory, and a browser that keeps cookies and speaks to it in values.
 *
 * The rows and sessions here do what the interfaces promise and no more; the real ones have tests of their own.
 */
import { randomBytes } from 'node:crypto';
import { Tickets } from '../../src/access/sign-in/tickets.ts';
import { SignIn } from '../../src/access/sign-in/sign-in.ts';
import type { ProviderFlow } from '../../src/access/sign-in/provider-flow.ts';
import type {
  NewSession,
  OnceRows,
  OutsideAddress,
  Session,
  SessionKeeper,
  WriteAudit,
} from '../../src/access/sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../../src/access/web-message.ts';
import { PosternError } from '../../src/core/error.ts';
import { newRequestId } from '../../src/core/id.ts';
import type { AuditFact } from '../../src/telemetry/audit-event.ts';
import { createLog, type Log } from '../../src/telemetry/log.ts';
import { FakeClock } from './fake-clock.ts';

type Json = Readonly<Record<string, unknown>>;

/** Single-use rows in memory. */
export class MemoryRows implements OnceRows {
  readonly rows = new Map<string, { value: Json; expiresAt: number }>();
  readonly #clock: FakeClock;
  readonly #limit: number;

  constructor(clock: FakeClock, limit = 10_000) {
    this.#clock = clock;
    this.#limit = limit;
  }

  async put(kind: string, id: string, value: Json, expiresAt: number): Promise<void> {
    if (this.rows.size >= this.#limit) throw new PosternError('STORE_BUSY', 'Cannot keep more');
    this.rows.set(`${kind} ${id}`, { value, expiresAt });
  }

  async take(kind: string, id: string): Promise<Json | undefined> {
    const row = this.rows.get(`${kind} ${id}`);
    this.rows.delete(`${kind} ${id}`);
    return row !== undefined && row.expiresAt > this.#clock.wall() ? row.value : undefined;
  }

  async claim(kind: string, id: string, expiresAt: number): Promise<boolean> {
    if (this.rows.has(`${kind} ${id}`)) return false;
    this.rows.set(`${kind} ${id}`, { value: {}, expiresAt });
    return true;
  }
}

/** Sessions in memory. */
export class MemorySessions implements SessionKeeper {
  readonly all = new Map<string, Session & { secret: string }>();
  readonly revoked: { id: string; because: string }[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async create(input: NewSession): Promise<{ session: Session; secret: string }> {
    const now = this.#clock.wall();
    const secret = randomBytes(24).toString('base64url');
    const session = {
      id: randomBytes(8).toString('hex'),
      createdAt: now,
      authenticatedAt: now,
      refreshedAt: now,
      expiresAt: now + 8 * 3_600_000,
      provider: {},
      ...input,
      secret,
    };
    this.all.set(session.id, session);
    return { session, secret };
  }

  verify(secret: string): Session | undefined {
    return [...this.all.values()].find((one) => one.secret === secret);
  }

  async list(): Promise<Session[]> {
    return [...this.all.values()];
  }

  async refresh(
    id: string,
    identity: Session['identity'],
    provider: Session['provider'],
  ): Promise<Session> {
    const known = this.all.get(id);
    if (known === undefined) throw new PosternError('STORE_NOT_FOUND', 'Cannot refresh: it ended');
    const refreshed = { ...known, identity, provider, refreshedAt: this.#clock.wall() };
    this.all.set(id, refreshed);
    return refreshed;
  }

  async revoke(id: string, because: string): Promise<boolean> {
    const was = this.all.delete(id);
    if (was) this.revoked.push({ id, because });
    return was;
  }

  async revokeWhere(picks: (session: Session) => boolean, because: string): Promise<number> {
    const picked = [...this.all.values()].filter(picks);
    for (const { id } of picked) void this.revoke(id, because);
    return picked.length;
  }
}

export const AUTH_HOST = 'auth.postern.test';
export const AUTH_ORIGIN = `https://${AUTH_HOST}:8443`;

export interface SignInLab {
  readonly signIn: SignIn;
  readonly clock: FakeClock;
  readonly rows: MemoryRows;
  readonly sessions: MemorySessions;
  readonly audit: AuditFact[];
  readonly tickets: Tickets;
  readonly log: string[];
}

/** What flows are made with. */
export interface FlowParts {
  readonly clock: FakeClock;
  readonly rows: MemoryRows;
  readonly sessions: MemorySessions;
  readonly address: OutsideAddress;
  readonly audit: WriteAudit;
  readonly log: Log;
}

/** Sign-in with these flows, and all it is made of. */
export function signInLab(makeFlows: (parts: FlowParts) => readonly ProviderFlow[]): SignInLab {
  const clock = new FakeClock();
  const rows = new MemoryRows(clock);
  const sessions = new MemorySessions(clock);
  const address = {
    authHost: AUTH_HOST,
    origin: (hostname: string) => `https://${hostname}:8443`,
  };
  const tickets = new Tickets(randomBytes(32));
  const facts: AuditFact[] = [];
  const audit: WriteAudit = async (fact) => void facts.push(fact);
  const lines: string[] = [];
  const log = createLog({
    component: 'gateway',
    level: 'debug',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
  });
  const parts = { clock, rows, sessions, address, audit, log };
  const signIn = new SignIn({ ...parts, flows: makeFlows(parts), tickets });
  return { signIn, clock, rows, sessions, audit: facts, tickets, log: lines };
}

/** A browser that visits the auth host. */
export class TestBrowser {
  readonly cookies = new Map<string, string>();
  readonly #signIn: SignIn;
  readonly address: string;
  /** Laid over the headers of every request. */
  headers: Record<string, string> = { 'user-agent': 'Mozilla/5.0 (X11; Linux) Firefox/140.0' };

  constructor(signIn: SignIn, address = '203.0.113.7') {
    this.#signIn = signIn;
    this.address = address;
  }

  async get(url: string): Promise<WebResponse> {
    return this.send('GET', url);
  }

  /** Posts a form as one of our own pages would. */
  async post(
    url: string,
    fields: Record<string, string>,
    headers: Record<string, string> = { origin: AUTH_ORIGIN, 'sec-fetch-site': 'same-origin' },
  ): Promise<WebResponse> {
    const body = new URLSearchParams(fields).toString();
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.send('POST', url, { ...type, ...headers }, body);
  }

  async send(
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<WebResponse> {
    return this.keep(await this.#signIn.handle(this.request(method, url, headers, body)));
  }

  /** Keeps the cookies of a response. */
  keep(response: WebResponse): WebResponse {
    for (const [name, value] of response.headers) {
      if (name !== 'set-cookie') continue;
      const [, key = '', text = ''] = /^([^=]+)=([^;]*)/.exec(value) ?? [];
      if (/;\s*max-age=0/i.test(value)) this.cookies.delete(key);
      else this.cookies.set(key, text);
    }
    return response;
  }

  request(
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body = '',
  ): WebRequest {
    const { pathname, search, searchParams } = new URL(url, AUTH_ORIGIN);
    const all: Record<string, string> = { ...this.headers, ...headers };
    return {
      method,
      hostname: AUTH_HOST,
      path: pathname,
      search: search.slice(1),
      query: searchParams,
      header: (name) => all[name],
      cookies: new Map(this.cookies),
      body: Buffer.from(body),
      address: this.address,
      requestId: newRequestId(),
    };
  }
}

/** The first header of a name. */
export function headerOf(response: WebResponse, name: string): string | undefined {
  return response.headers.find(([key]) => key === name)?.[1];
}

/** The value of a field on a page, as a form would send it. */
export function fieldOf(response: WebResponse, name: string): string {
  const match = new RegExp(`name="${name}" value="([^"]*)"`).exec(String(response.body));
  return match?.[1] ?? '';
}
