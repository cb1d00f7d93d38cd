/**
 * The last step of a dial: the WebSocket upgrade on a socket that is already connected (RFC 6455 §4.1).
 *
 * What is no 101 becomes LINK_HANDSHAKE with the status and the start of the body, out of which our own header values are taken
 * first: some servers send back what they were sent.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { PosternError } from '../core/error.ts';
import { failedDial, quoteForeign, type DialParties } from './dial/dial-error.ts';
import {
  LINK_SUBPROTOCOL,
  webSocketOptions,
  WsFrameChannel,
  type Masking,
} from './ws-frame-channel.ts';

/** Bytes of a refusal's body that are looked at: enough to find a whole token that was sent back. */
const BODY_BYTES = 8 * 1024;
/** Parts of header values that are taken out of a quoted body, from this length on. */
const SECRET_CHARS = 8;

export interface UpgradeOptions {
  /** Connected, with TLS done. */
  readonly socket: Socket;
  readonly target: { readonly isTls: boolean; readonly host: string; readonly port: number };
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parties: DialParties;
}

/**
 * Upgrades the socket. Rejects with LINK_HANDSHAKE, or with what `ws` and the HTTP client say when there is no answer.
 * Destroying the socket gives up.
 */
export function upgradeToChannel(options: UpgradeOptions): Promise<WsFrameChannel> {
  const { socket, target, headers } = options;
  // Over TLS nothing on the way can take what we send for something else, which is all that masking is for.
  const masking: Masking = target.isTls ? 'zero' : 'random';
  const ws = new WebSocket(urlOf(options), LINK_SUBPROTOCOL, {
    ...webSocketOptions,
    ...(masking === 'zero' ? { generateMask: keepZero } : {}),
    headers: { ...headers },
    createConnection: () => socket,
  });
  return new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('unexpected-response', (_request, response) => {
      refusalOf(response, options, (refusal) => {
        reject(refusal);
        ws.terminate();
      });
    });
    ws.on('open', () => {
      // These listeners hold the request and the answer, which a link must not keep for its whole life.
      ws.removeAllListeners();
      resolve(new WsFrameChannel({ ws, socket, masking }));
    });
  });
}

function urlOf({ target, path }: UpgradeOptions): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${target.isTls ? 'wss' : 'ws'}://${host}:${target.port}${path}`;
}

/** `ws` hands over zeroed bytes and skips the masking when they still are. */
function keepZero(): void {
  // Nothing to do.
}

/** Tells `onRefusal` what answered instead of a gateway, once enough of the body is there. */
function refusalOf(
  response: IncomingMessage,
  { headers, parties }: UpgradeOptions,
  onRefusal: (refusal: PosternError) => void,
): void {
  let body = '';
  const done = (): void => {
    response.removeAllListeners().destroy();
    const status = `it answers the upgrade with ${response.statusCode} ${quoteForeign(response.statusMessage ?? '')}`;
    const text = withoutSecrets(body, headers).trim();
    const why = text === '' ? status : `${status}: ${quoteForeign(text)}`;
    onRefusal(failedDial('LINK_HANDSHAKE', parties, why));
  };
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    body += text;
    if (body.length >= BODY_BYTES) done();
  });
  // A body that breaks off is quoted as far as it came.
  response.on('error', done);
  response.on('end', done);
}

function withoutSecrets(body: string, headers: Readonly<Record<string, string>>): string {
  let text = body;
  for (const value of Object.values(headers)) {
    for (const part of value.split(/\s+/)) {
      if (part.length >= SECRET_CHARS) text = text.replaceAll(part, '…');
    }
  }
  return text;
}
