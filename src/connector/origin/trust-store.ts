/**
 * Which certificate authorities vouch for an origin: those that Node trusts, and the file that `caPool` names.
 *
 * A file is read again when it changed, so a renewed authority needs no restart. What cannot be used leaves the ones before in
 * force: whoever watches the file says so. The number kept is bounded.
 */
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

interface Entry {
  /** Changes when the file does. */
  readonly version: string;
  /** Shared by dials that come while it loads: making one takes 20 ms of the event loop. */
  readonly context: Promise<SecureContext>;
}

export class TrustStore {
  /** By path, least recently used first. */
  readonly #entries = new Map<string, Entry>();

  /**
   * The context for a PEM file of authorities, or the one before where it cannot be used any more. Throws ORIGIN_TLS when it never
   * could.
   */
  async contextFor(caFile: string): Promise<SecureContext> {
    const known = this.#entries.get(caFile);
    try {
      const { mtimeMs, size, ino } = await stat(caFile);
      return await this.#entryFor(caFile, `${mtimeMs}:${size}:${ino}`).context;
    } catch (cause) {
      if (known !== undefined) return known.context;
      this.#entries.delete(caFile);
      throw new PosternError('ORIGIN_TLS', `Cannot use caPool "${caFile}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  #entryFor(caFile: string, version: string): Entry {
    const known = this.#entries.get(caFile);
    const entry = known?.version === version ? known : loadEntry(version, caFile, known);
    this.#entries.delete(caFile);
    this.#entries.set(caFile, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > LIMITS.originCaFiles && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    return entry;
  }
}

function loadEntry(version: string, caFile: string, before: Entry | undefined): Entry {
  const loaded = load(caFile);
  return { version, context: before === undefined ? loaded : loaded.catch(() => before.context) };
}

async function load(caFile: string): Promise<SecureContext> {
  const pem = await readFile(caFile, 'utf8');
  const certificates = pem.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('it holds no PEM certificate');
  // Node leaves out of `ca` what it cannot read, and an origin would then fail for a reason that leads astray.
  const readable = certificates.filter((certificate) => new X509Certificate(certificate).raw);
  return createSecureContext({
    ca: [...rootCertificates, ...(await extraAuthorities()), ...readable],
  });
}

/** Node forgets NODE_EXTRA_CA_CERTS where `ca` is given. */
async function extraAuthorities(): Promise<string[]> {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (file === undefined || file === '') return [];
  // Node has warned about one that it cannot read when it started.
  return readFile(file, 'utf8').then(
    (pem) => [pem],
    () => [],
  );
}
