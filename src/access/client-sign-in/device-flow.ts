/**
 * Signing in from a command on a machine without a browser: RFC 8628.
 *
 * The command shows a short code, which somebody types in a browser anywhere. The address that is shown carries no code: one
 * who was sent it must still be told the code, and then sees the device and the address that ask (case L8). Every step is a row
 * that is taken once, so nothing here is kept in memory but when a command asked last.
 */
import { randomInt } from 'node:crypto';
import { newSecret } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { formOf, isSameOrigin } from '../sign-in/same-origin.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import type { ClientGrant } from './client-access.ts';
import { clientDevice } from './client-device.ts';
import { codeEntryPage, confirmPage, donePage } from './client-pages.ts';
import type { ClientSignInPorts } from './client-sign-in-ports.ts';
import { jsonAnswer, jsonFields, jsonProblem } from './json-answer.ts';

/** Without vowels, so that no words come out, and without what looks like something else: 28⁸ codes. */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ23456789';
const CODE_LENGTH = 8;
const USER_CODE = new RegExp(`^[${ALPHABET}]{${CODE_LENGTH}}$`);

/** What a poll comes to. Names of RFC 8628 §3.5. */
type Poll =
  | { readonly grant: ClientGrant }
  | { readonly error: 'authorization_pending' | 'slow_down' | 'expired_token' | 'access_denied' };

interface LastPoll {
  readonly at: number;
  readonly intervalMs: number;
}

export class DeviceFlow {
  readonly #ports: ClientSignInPorts;
  /** By device code, in the order of the last poll. */
  readonly #polls = new Map<string, LastPoll>();

  constructor(ports: ClientSignInPorts) {
    this.#ports = ports;
  }

  /** Begins: makes the two codes. `pagePath` is where the short one is typed. */
  async begin(request: WebRequest, pagePath: string): Promise<WebResponse> {
    const { rows, clock, address } = this.#ports;
    const fields = jsonFields(request);
    const device = clientDevice(fields?.get('device'), fields?.get('command'));
    if (device === undefined) return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    const endsAt = clock.wall() + LIMITS.deviceCodeMs;
    // The end is only there so that a poll can be told "too late" from "not yet".
    const deviceCode = `${newSecret()}.${Math.floor(endsAt / 1000).toString(36)}`;
    const userCode = newUserCode();
    const row = { deviceCode, address: request.address, endsAt, ...device };
    await rows.put('device', `user ${userCode}`, row, endsAt);
    return jsonAnswer(200, {
      deviceCode,
      userCode: shown(userCode),
      verificationUri: address.origin(address.authHost) + pagePath,
      expiresIn: LIMITS.deviceCodeMs / 1000,
      interval: LIMITS.devicePollMs / 1000,
    });
  }

  /**
   * Takes a form: first the code, then the answer. `wrong` is called for a code that there is not, or not any more: guesses
   * cost.
   */
  async handleForm(request: WebRequest, session: Session, wrong: () => void): Promise<WebResponse> {
    const { address } = this.#ports;
    const form = formOf(request);
    if (form === undefined || !isSameOrigin(request, address.origin(address.authHost))) {
      return codeEntryPage(request.path, 'This form is not from this page. Type the code again.');
    }
    const reference = form.get('reference');
    if (reference !== null) return this.#answer(request, session, form);
    const code = (form.get('code') ?? '').toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
    const row = isUserCode(code)
      ? await this.#ports.rows.take('device', `user ${code}`)
      : undefined;
    if (row === undefined) {
      wrong();
      return codeEntryPage(request.path, 'There is no such code, or not any more.');
    }
    return this.#confirm(request, session, code, row);
  }

  /** Whether a command is signed in by now. `isNew` is called for a device code that has not been seen here. */
  async poll(deviceCode: string, isNew: () => void): Promise<Poll> {
    const now = this.#ports.clock.wall();
    const endsAt = Number.parseInt(deviceCode.split('.')[1] ?? '', 36) * 1000;
    if (!/^[\w-]{43}\.[0-9a-z]{1,9}$/.test(deviceCode) || endsAt <= now) {
      return { error: 'expired_token' };
    }
    if (!this.#polls.has(deviceCode)) isNew();
    if (this.#isTooSoon(deviceCode)) return { error: 'slow_down' };
    const row = await this.#ports.rows.take('device', `answer ${deviceCode}`);
    if (row === undefined) return { error: 'authorization_pending' };
    this.#polls.delete(deviceCode);
    const device = clientDevice(String(row['device']), String(row['command']));
    const sessionId = row['session'];
    if (device === undefined || typeof sessionId !== 'string') return { error: 'access_denied' };
    return { grant: { sessionId, device, way: 'device' } };
  }

  async #confirm(
    request: WebRequest,
    session: Session,
    userCode: string,
    row: Readonly<Record<string, unknown>>,
  ): Promise<WebResponse> {
    const device = clientDevice(String(row['device']), String(row['command']));
    if (device === undefined) return codeEntryPage(request.path, 'There is no such code.');
    const reference = newSecret();
    // Only who typed the code can answer.
    const next = { ...row, session: session.id };
    await this.#ports.rows.put('device', `typed ${reference}`, next, Number(row['endsAt']));
    return confirmPage({
      identity: session.identity,
      device,
      address: String(row['address']),
      userCode: shown(userCode),
      action: request.path,
      fields: { reference },
    });
  }

  async #answer(
    request: WebRequest,
    session: Session,
    form: URLSearchParams,
  ): Promise<WebResponse> {
    const { rows } = this.#ports;
    const row = await rows.take('device', `typed ${form.get('reference') ?? ''}`);
    if (row === undefined || row['session'] !== session.id) {
      return codeEntryPage(request.path, 'That took too long. Start the command again.');
    }
    const { deviceCode, endsAt, device, command } = row;
    const isAllowed = form.get('answer') === 'allow';
    const answer = isAllowed ? { session: session.id, device, command } : { device, command };
    await rows.put('device', `answer ${String(deviceCode)}`, answer, Number(endsAt));
    return donePage(isAllowed);
  }

  #isTooSoon(deviceCode: string): boolean {
    const now = this.#ports.clock.now();
    const last = this.#polls.get(deviceCode);
    // A network is never quite regular.
    const isSoon = last !== undefined && now - last.at < last.intervalMs * 0.8;
    const interval = last?.intervalMs ?? LIMITS.devicePollMs;
    const intervalMs = isSoon ? interval + LIMITS.devicePollMs : interval;
    this.#polls.delete(deviceCode);
    this.#polls.set(deviceCode, { at: now, intervalMs });
    const [oldest] = this.#polls.keys();
    if (this.#polls.size > LIMITS.devicePolls && oldest !== undefined) this.#polls.delete(oldest);
    return isSoon;
  }
}

function newUserCode(): string {
  return Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

function isUserCode(text: string): boolean {
  return USER_CODE.test(text);
}

/** In two halves, as people read it out. */
function shown(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}
