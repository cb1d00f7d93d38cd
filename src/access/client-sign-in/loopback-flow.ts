/**
 * Signing in from a command with a browser on the same machine: RFC 8252 with PKCE (RFC 7636).
 *
 * The command listens on 127.0.0.1 and gives the browser the hash of a secret of its own. Who is signed in there is asked once
 * more, and the browser brings a code back that is used once, within a minute, and only together with the secret: whoever
 * else sees it, or took the port, has nothing (cases L6, L8).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { newSecret } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { problemPage } from '../pages/problem-page.ts';
import { redirect } from '../pages/redirect.ts';
import { formOf, isSameOrigin } from '../sign-in/same-origin.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import type { ClientGrant } from './client-access.ts';
import { clientDevice, type ClientDevice } from './client-device.ts';
import { confirmPage } from './client-pages.ts';
import type { ClientSignInPorts } from './client-sign-in-ports.ts';

/** What the command asks for. */
interface LoopbackAsk {
  /** Base64url of the SHA-256 of the command's secret. */
  readonly challenge: string;
  readonly port: number;
  /** Goes back to the command as it came. */
  readonly state: string;
  readonly device: ClientDevice;
}

export class LoopbackFlow {
  readonly #ports: ClientSignInPorts;

  constructor(ports: ClientSignInPorts) {
    this.#ports = ports;
  }

  /** Asks who is signed in whether they mean it. `path` is where this is. */
  confirm(request: WebRequest, session: Session): WebResponse {
    const ask = readAsk(request.query);
    if (ask === undefined) return malformed(request);
    const { challenge, port, state, device } = ask;
    return confirmPage({
      identity: session.identity,
      device,
      address: request.address,
      action: request.path,
      fields: { challenge, port: String(port), state, ...device },
      // Browsers hold the redirect that follows the form to the same list.
      formActions: [originOf(port)],
    });
  }

  /** Takes the answer, and leads the browser back to the command. */
  async answer(request: WebRequest, session: Session): Promise<WebResponse> {
    const { address, rows, clock } = this.#ports;
    const form = formOf(request);
    const ask = form === undefined ? undefined : readAsk(form);
    if (ask === undefined || form === undefined) return malformed(request);
    if (!isSameOrigin(request, address.origin(address.authHost))) return foreign(request);
    const { state, port } = ask;
    const back = (result: Readonly<Record<string, string>>): WebResponse =>
      redirect(
        `${originOf(port)}/callback?${new URLSearchParams({ ...result, state }).toString()}`,
      );
    if (form.get('answer') !== 'allow') return back({ error: 'access_denied' });
    const code = newSecret();
    const row = { challenge: ask.challenge, session: session.id, ...ask.device };
    await rows.put('client-code', code, row, clock.wall() + LIMITS.clientCodeMs);
    return back({ code });
  }

  /** What a code stands for, once; undefined when there is no such code or the secret is another's. */
  async redeem(code: string, verifier: string): Promise<ClientGrant | undefined> {
    if (!/^[\w-]{43}$/.test(code) || !/^[\w.~-]{43,128}$/.test(verifier)) return undefined;
    const row = await this.#ports.rows.take('client-code', code);
    if (row === undefined) return undefined;
    const device = clientDevice(String(row['device']), String(row['command']));
    const wanted = Buffer.from(String(row['challenge']));
    const given = Buffer.from(createHash('sha256').update(verifier).digest('base64url'));
    const isProven = wanted.length === given.length && timingSafeEqual(wanted, given);
    if (device === undefined || !isProven) return undefined;
    return { sessionId: String(row['session']), device, way: 'loopback' };
  }
}

function readAsk(from: URLSearchParams): LoopbackAsk | undefined {
  const challenge = from.get('challenge') ?? '';
  const state = from.get('state') ?? '';
  const port = /^[1-9]\d{0,4}$/.test(from.get('port') ?? '') ? Number(from.get('port')) : 0;
  const device = clientDevice(from.get('device'), from.get('command'));
  if (!/^[\w-]{43}$/.test(challenge) || !/^[\w-]{16,128}$/.test(state)) return undefined;
  if (port < 1024 || port > 65_535 || device === undefined) return undefined;
  return { challenge, port, state, device };
}

/** The address and not `localhost`, which may resolve to something else (RFC 8252 §8.3). */
function originOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function malformed({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 400,
    title: 'Request not understood',
    text: 'This address is made by "postern access login". Start the command again.',
    code: 'HTTP_BAD_REQUEST',
    requestId,
  });
}

function foreign({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 403,
    title: 'Not done',
    text: 'This can only be done from a page of this host.',
    code: 'ACCESS_DENIED',
    requestId,
  });
}
