/** Signing in from the command line without a server: its parts in memory, a browser, and a command that speaks in values. */
import { createHash, randomBytes } from 'node:crypto';
import { ClientSignIn } from '../../src/access/client-sign-in/client-sign-in.ts';
import type {
  ClientAsk,
  ClientVerdict,
} from '../../src/access/client-sign-in/client-sign-in-ports.ts';
import type { Identity } from '../../src/access/identity.ts';
import { setSessionCookie } from '../../src/access/sign-in/session-cookie.ts';
import type { NewSession, Session } from '../../src/access/sign-in/sign-in-ports.ts';
import type { WebResponse } from '../../src/access/web-message.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { AUTH_HOST, signInLab, TestBrowser, type SignInLab } from './sign-in.ts';

export const ALICE: Identity = {
  provider: 'local',
  subject: 'alice',
  email: 'alice@example.com',
  groups: ['staff'],
  methods: ['pwd'],
  claims: {},
};

/** How long client sessions last here. */
export const CLIENT_SESSION_MS = 8 * 3_600_000;

export const THUMBPRINT = 't'.repeat(43);

export interface ClientLab extends SignInLab {
  readonly clientSignIn: ClientSignIn;
  /** What the gate says of each hostname; default deny. */
  readonly verdicts: Map<string, ClientVerdict>;
  readonly asks: ClientAsk[];
  /** Hostnames at which nothing answers. */
  readonly offline: Map<string, 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA'>;
  /** A browser in which ALICE, or who is given, is signed in. */
  signedInBrowser(identity?: Identity): Promise<ClientBrowser>;
  browser(address?: string): ClientBrowser;
  /** Asks as a command does. */
  ask(method: string, path: string, options?: AskOptions): Promise<JsonReply>;
}

export interface AskOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly address?: string;
}

export interface JsonReply {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly response: WebResponse;
}

/** What a lab that is reached over the network says of itself. */
export interface LabOutside {
  readonly origin: (hostname: string) => string;
  readonly thumbprints: () => Promise<readonly string[]>;
}

export function clientLab(outside: Partial<LabOutside> = {}): ClientLab {
  const lab = signInLab(() => []);
  const { sessions, signIn, clock, rows, audit, log } = lab;
  const verdicts = new Map<string, ClientVerdict>();
  const asks: ClientAsk[] = [];
  const offline: ClientLab['offline'] = new Map();
  const clientSignIn = new ClientSignIn({
    browser: signIn,
    sessions: {
      create: async (input: NewSession) => {
        const { session, secret } = await sessions.create(input);
        const prefixed = `${input.kind === 'client' ? 'pcl_' : ''}${secret}`;
        sessions.all.set(session.id, { ...session, secret: prefixed });
        return { session, secret: prefixed };
      },
      find: async (id) => sessions.all.get(id),
      verify: (secret) => sessions.verify(secret),
      revoke: async (id, because) => sessions.revoke(id, because),
    },
    judge: (ask) => {
      asks.push(ask);
      return verdicts.get(ask.hostname) ?? 'deny';
    },
    mint: async ({ hostname, session }) => ({
      application: 'wiki',
      token: `app-token-for-${hostname}-of-${session.identity.subject}`,
      expiresAt: clock.wall() + 60_000,
    }),
    clientSessionMs: () => CLIENT_SESSION_MS,
    thumbprints: outside.thumbprints ?? (async () => [THUMBPRINT]),
    unreachable: (hostname) => offline.get(hostname),
    rows,
    address: {
      authHost: AUTH_HOST,
      origin: outside.origin ?? ((hostname) => `https://${hostname}:8443`),
    },
    audit: async (fact) => void audit.push(fact),
    log: createLog({
      component: 'gateway',
      level: 'debug',
      format: 'json',
      destination: { write: (line) => void log.push(line) },
    }),
    clock,
  });
  const browser = (address?: string): ClientBrowser =>
    new ClientBrowser(clientSignIn, lab, address);
  return {
    ...lab,
    clientSignIn,
    verdicts,
    asks,
    offline,
    browser,
    signedInBrowser: async (identity = ALICE) => {
      const user = browser();
      const made = await sessions.create({ kind: 'browser', identity, address: '', agent: '' });
      user.session = made.session;
      user.keep({
        status: 200,
        headers: [['set-cookie', setSessionCookie(made.secret)]],
        body: '',
      });
      return user;
    },
    ask: async (method, path, { token, body, address } = {}) => {
      const user = browser(address);
      const response = await user.send(
        method,
        `/.postern/client/${path}`,
        {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body === undefined ? '' : JSON.stringify(body),
      );
      const isJson = response.headers.some(([, value]) => value === 'application/json');
      const json: JsonReply['json'] = isJson ? JSON.parse(String(response.body)) : {};
      return { status: response.status, json, response };
    },
  };
}

/** A browser that visits the pages for clients. */
export class ClientBrowser extends TestBrowser {
  readonly #clientSignIn: ClientSignIn;
  session: Session | undefined;

  constructor(clientSignIn: ClientSignIn, { signIn }: SignInLab, address?: string) {
    super(signIn, address);
    this.#clientSignIn = clientSignIn;
  }

  override async send(
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<WebResponse> {
    return this.keep(await this.#clientSignIn.handle(this.request(method, url, headers, body)));
  }
}

/** What a command makes for one sign-in. */
export function loopbackAsk(port = 45_678): {
  readonly verifier: string;
  readonly state: string;
  readonly fields: Record<string, string>;
} {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(24).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const fields = {
    challenge,
    port: String(port),
    state,
    device: 'laptop',
    command: 'postern access login',
  };
  return { verifier, state, fields };
}
