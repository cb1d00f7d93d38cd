/** Signing in without a browser here: a code to type in a browser anywhere. RFC 8628. */
import { setTimeout as delay } from 'node:timers/promises';
import { PosternError } from '../../core/error.ts';
import { quoteForeign } from '../../transport/dial/dial-error.ts';
import { askForSession, type NewSession } from './ask-for-session.ts';
import type { SignInAsk } from './browser-sign-in.ts';
import { notAGateway } from './gateway-http.ts';

/** The pause between two questions, s, whatever the gateway says. */
const LEAST_INTERVAL = 1;
const MOST_INTERVAL = 60;

/** Signs in. Rejects with ACCESS_SIGN_IN when it comes to nothing. */
export async function signInByDevice(ask: SignInAsk): Promise<NewSession> {
  const { http, gateway, terminal } = ask;
  const { deviceCode, userCode, page, endsAt, interval: first } = await begin(ask);
  terminal.say(`To sign in, visit this address in any browser:\n  ${page}`);
  terminal.say(`and type this code, which the page shows again before you agree:\n  ${userCode}`);
  terminal.progress('Waiting for you to sign in…');
  let interval = first;
  while (Date.now() < endsAt) {
    // One after the other is what is meant.
    // oxlint-disable-next-line no-await-in-loop
    await delay(interval * 1000);
    // oxlint-disable-next-line no-await-in-loop
    const session = await askForSession(http, gateway, { deviceCode });
    if (!('error' in session)) return session;
    if (session.error === 'slow_down') interval = Math.min(interval + 5, MOST_INTERVAL);
    else if (session.error === 'expired_token') break;
    else if (session.error !== 'authorization_pending') throw refused(session.error);
  }
  const message = 'Cannot sign in: nobody typed the code in time; start again for a new one';
  throw new PosternError('ACCESS_SIGN_IN', message);
}

interface DeviceCodes {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly page: string;
  /** ms since 1970. */
  readonly endsAt: number;
  /** s */
  readonly interval: number;
}

/** What is shown is checked: a server must not have its own text on the terminal, nor an address of another host (L17). */
async function begin({ http, gateway, device, command }: SignInAsk): Promise<DeviceCodes> {
  const path = '/.postern/client/device';
  const question = { method: 'POST', path, json: { device, command } } as const;
  const { status, json } = await http.ask(gateway, question);
  if (status === 429) {
    const message = 'Cannot sign in: too many sign-ins from this address; wait a minute';
    throw new PosternError('ACCESS_TOO_MANY', message);
  }
  const { deviceCode, userCode, verificationUri: page, expiresIn, interval } = json;
  const isWhole =
    typeof deviceCode === 'string' &&
    typeof userCode === 'string' &&
    /^[A-Z0-9-]{4,20}$/.test(userCode) &&
    typeof page === 'string' &&
    page.startsWith(`${gateway}/`) &&
    /^[!-~]{1,300}$/.test(page);
  if (status !== 200 || !isWhole) {
    throw notAGateway(new URL(gateway).host, `it gives no code to sign in with (status ${status})`);
  }
  const lasts = typeof expiresIn === 'number' ? expiresIn : 0;
  const pause = typeof interval === 'number' ? interval : 5;
  return {
    deviceCode,
    userCode,
    page,
    endsAt: Date.now() + lasts * 1000,
    interval: Math.min(Math.max(pause, LEAST_INTERVAL), MOST_INTERVAL),
  };
}

function refused(error: string): PosternError {
  const why = error === 'access_denied' ? 'it was refused in the browser' : quoteForeign(error);
  return new PosternError('ACCESS_SIGN_IN', `Cannot sign in: ${why}`);
}
