/**
 * The certificate that a user's TLS connection was made with, where it was verified against the configured authorities.
 *
 * Asked of each connection once: it cannot change, since TLS 1.3 has no renegotiation and Node's servers do not ask for it.
 */
import type { Socket } from 'node:net';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import type { ClientCertificate } from '../../../access/identity.ts';

const KNOWN = new WeakMap<Socket, { readonly certificate: ClientCertificate | undefined }>();

/** Undefined where there is none, and where it was not verified. */
export function clientCertificateOf(socket: Socket): ClientCertificate | undefined {
  const known = KNOWN.get(socket);
  if (known !== undefined) return known.certificate;
  const certificate = read(socket);
  KNOWN.set(socket, { certificate });
  return certificate;
}

function read(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const peer: Partial<PeerCertificate> | null = socket.getPeerCertificate();
  if (peer?.fingerprint256 === undefined) return undefined;
  const subject: Readonly<Record<string, unknown>> = { ...peer.subject };
  const commonName = subject['CN'];
  return {
    commonName: typeof commonName === 'string' ? commonName : '',
    fingerprint: peer.fingerprint256.replaceAll(':', '').toLowerCase(),
    names: alternativeNames(peer.subjectaltname),
  };
}

/** DNS and e-mail names. One that Node had to quote holds odd characters: such a name matches nothing. */
function alternativeNames(text = ''): string[] {
  return text.split(', ').flatMap((entry) => {
    const [, name] = /^(?:DNS|email):([^"\s]+)$/.exec(entry) ?? [];
    return name === undefined ? [] : [name];
  });
}
