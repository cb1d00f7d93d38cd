/** Signing in through a browser on this machine: RFC 8252 with PKCE. docs/access.md "From the command line". */
import { createHash, randomBytes } from 'node:crypto';
import { PosternError } from '../../core/error.ts';
import { askForSession, type NewSession } from './ask-for-session.ts';
import type { GatewayHttp } from './gateway-http.ts';
import { LoopbackListener } from './loopback-listener.ts';
import type { SignInTerminal } from './sign-in-terminal.ts';

/** How long somebody may take to sign in, ms: what the gateway gives them, and a little more. */
const SIGN_IN_MS = 11 * 60_000;

export interface SignInAsk {
  readonly http: GatewayHttp;
  /** Origin of the gateway's auth host. */
  readonly gateway: string;
  readonly terminal: SignInTerminal;
  /** How this machine and this command call themselves on the page that asks. */
  readonly device: string;
  readonly command: string;
}

/** Signs in. 'no-browser' when none can be opened here. Rejects with ACCESS_SIGN_IN when it comes to nothing. */
export async function signInByBrowser(ask: SignInAsk): Promise<NewSession | 'no-browser'> {
  const { http, gateway, terminal, device, command } = ask;
  // New for each sign-in and never written down (case L3).
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(24).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const listener = await LoopbackListener.open(state);
  try {
    const port = String(listener.port);
    const query = new URLSearchParams({ challenge, port, state, device, command }).toString();
    const url = `${gateway}/.postern/client/authorize?${query}`;
    if (!(await terminal.openBrowser(url))) return 'no-browser';
    terminal.say(`Sign in in the browser that has opened. If none has, visit:\n  ${url}`);
    const { code, redirect } = await within(listener.callback);
    const done = (result: string): string => `${gateway}/.postern/client/done?result=${result}`;
    if (code === undefined) {
      await redirect(done('refused'));
      throw new PosternError('ACCESS_SIGN_IN', 'Cannot sign in: it was refused in the browser');
    }
    try {
      const session = await askForSession(http, gateway, { code, verifier });
      if ('error' in session) throw new PosternError('ACCESS_SIGN_IN', REFUSED);
      await redirect(done('ok'));
      return session;
    } catch (error) {
      await redirect(done('failed'));
      throw error;
    }
  } finally {
    listener.close();
  }
}

const REFUSED = 'Cannot sign in: the gateway does not accept what the browser brought; try again';

async function within<T>(wanted: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const minutes = SIGN_IN_MS / 60_000;
    const message = `Cannot sign in: nobody did in the browser within ${minutes} minutes`;
    timer = setTimeout(() => reject(new PosternError('ACCESS_SIGN_IN', message)), SIGN_IN_MS);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}
