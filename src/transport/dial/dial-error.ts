/**
 * Says why a link could not be dialled: one code and one sentence for whatever Node, OpenSSL or a proxy reported.
 *
 * Pure. Names come from our own configuration; what the other side says is cut, quoted and freed of control characters.
 * Credentials of a proxy and header values of ours never get in. The codes are `LINK_*` of docs/errors.md.
 */
import type { ErrorCode } from '../../core/error-codes.ts';
import { codeOf, hasCode, isPosternError, messageOf, PosternError } from '../../core/error.ts';

/** How far a dial has come. */
export type DialStage =
  'connect' | 'proxy-connect' | 'proxy-tls' | 'proxy-answer' | 'tls' | 'upgrade';

/** Who takes part in a dial, as people name them: `gw.example.com:8443`. */
export interface DialParties {
  readonly gateway: string;
  readonly proxy?: string | undefined;
}

/** Most characters of a foreign text that go into a message. */
const FOREIGN_CHARS = 200;

/** Certificate problems by the code of Node or OpenSSL, and what to do about them. */
const TRUST_FAULTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed and not known here; name that certificate in "ca:"',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate comes from an authority that is not known here; name the certificate of that authority in "ca:"',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate comes from an authority that is not known here; name the certificate of that authority in "ca:"',
  UNABLE_TO_GET_ISSUER_CERT:
    'its certificate chain is not complete; serve the whole chain, or name the missing authority in "ca:"',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate comes from an authority that is not known here; name the certificate of that authority in "ca:"',
  CERT_SIGNATURE_FAILURE:
    'the signature of its certificate is wrong; name the certificate of its present authority in "ca:"',
  CERT_UNTRUSTED: 'its certificate is not trusted; name the certificate of its authority in "ca:"',
  INVALID_CA: 'the certificate that signed its certificate is not one of an authority',
  CERT_HAS_EXPIRED: 'its certificate has expired; renew it, or set the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; check the clock of this machine',
  CERT_REVOKED: 'its certificate was revoked',
};

/** The error for a dial to `parties.gateway` that failed at `stage` because of `cause`. Errors of ours pass through. */
export function dialError(stage: DialStage, parties: DialParties, cause: unknown): PosternError {
  if (isPosternError(cause)) return cause;
  const { code, why } = explain(stage, parties, cause);
  return failedDial(code, parties, why, cause);
}

/**
 * Whether the other side went away in the middle: a gateway that is just being replaced. The next one takes the next dial, which
 * waits for it in the listening socket.
 */
export function wasCutOff(error: unknown): boolean {
  const cause: unknown = Reflect.get(Object(error), 'cause');
  return [error, cause].some((one) => hasCode(one, 'ECONNRESET') || hasCode(one, 'EPIPE'));
}

/** An error with the usual start of the sentence: who was dialled, and through which proxy. */
export function failedDial(
  code: ErrorCode,
  { gateway, proxy }: DialParties,
  why: string,
  cause?: unknown,
): PosternError {
  const through = proxy === undefined ? '' : ` through the proxy "${proxy}"`;
  const options = cause === undefined ? undefined : { cause };
  return new PosternError(code, `Cannot dial gateway "${gateway}"${through}: ${why}`, options);
}

/** `text` of someone else, safe to print: quoted, one line, at most 200 characters. */
export function quoteForeign(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not get into a terminal.
  const plain = text.replaceAll(/[\s\u0000-\u001f\u007f-\u009f\u2028-\u202e]+/gu, ' ').trim();
  const cut = plain.length > FOREIGN_CHARS ? `${plain.slice(0, FOREIGN_CHARS)}…` : plain;
  return JSON.stringify(cut);
}

/** What a dial waits for at `stage`, for the message of a timeout. */
export function awaitedAt(stage: DialStage): string {
  switch (stage) {
    case 'connect':
      return 'no answer to the TCP connection';
    case 'proxy-connect':
      return 'no answer of the proxy to the TCP connection';
    case 'proxy-tls':
      return 'the TLS handshake with the proxy did not end';
    case 'proxy-answer':
      return 'no answer of the proxy to CONNECT';
    case 'tls':
      return 'the TLS handshake did not end';
    case 'upgrade':
      return 'no answer to the WebSocket upgrade';
  }
}

interface Explanation {
  readonly code: ErrorCode;
  readonly why: string;
}

function explain(stage: DialStage, parties: DialParties, cause: unknown): Explanation {
  switch (stage) {
    case 'connect':
      return explainConnect(cause, '');
    case 'proxy-connect':
      return explainConnect(cause, 'the proxy: ');
    case 'proxy-tls':
      return { code: 'LINK_PROXY', why: `the proxy: ${explainTls(parties.proxy ?? '', cause)}` };
    case 'proxy-answer':
      return { code: 'LINK_PROXY', why: `the proxy does not answer as one (${shortOf(cause)})` };
    case 'tls':
      return { code: 'LINK_TLS', why: explainTls(parties.gateway, cause) };
    case 'upgrade':
      return { code: 'LINK_HANDSHAKE', why: `what answers is no gateway (${shortOf(cause)})` };
  }
}

function explainConnect(cause: unknown, who: string): Explanation {
  const code = codeOf(cause);
  const tried = addressesOf(cause);
  if (code === 'ETIMEDOUT') return { code: 'LINK_TIMEOUT', why: `${who}no answer${tried}` };
  if (code === 'ECONNREFUSED') {
    return { code: 'LINK_REFUSED', why: `${who}connection refused${tried}` };
  }
  return { code: 'LINK_REFUSED', why: `${who}no connection (${code ?? shortOf(cause)})${tried}` };
}

function explainTls(host: string, cause: unknown): string {
  const code = codeOf(cause) ?? '';
  const fault = TRUST_FAULTS[code];
  if (fault !== undefined) return fault;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = quoteForeign(namesOf(cause));
    return `its certificate is for ${names} and not for "${host.replace(/:\d+$/, '')}"; dial it by one of these names, or give it a certificate for this one`;
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return 'what answers there does not speak TLS; is it the port for plain HTTP?';
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return 'the connection was closed during the TLS handshake';
  }
  return `the TLS handshake failed (${shortOf(cause)})`;
}

/** The names in a certificate that is for another host. */
function namesOf(cause: unknown): string {
  const cert: unknown = Reflect.get(Object(cause), 'cert');
  const names: unknown = Reflect.get(Object(cert), 'subjectaltname');
  return typeof names === 'string' && names !== '' ? names : 'no name';
}

/** The addresses that were tried, where Node says so. */
function addressesOf(cause: unknown): string {
  const several: unknown = Reflect.get(Object(cause), 'errors');
  const all: unknown[] = Array.isArray(several) ? several : [cause];
  const addresses = all.flatMap((each) => {
    const address: unknown = Reflect.get(Object(each), 'address');
    return typeof address === 'string' ? [address] : [];
  });
  return addresses.length === 0 ? '' : ` (${addresses.slice(0, 4).join(', ')})`;
}

/** The code of what was thrown where it has one, else its message. */
function shortOf(cause: unknown): string {
  const message = messageOf(cause);
  return quoteForeign(codeOf(cause) ?? message);
}
