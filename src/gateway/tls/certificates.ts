/**
 * The certificate the gateway's own listeners serve: the configured one, or one from a private CA in the data directory,
 * which is renewed while the gateway runs. New handshakes see a renewed one at once; live connections are untouched.
 */
import type { TlsFiles } from '../../config/pem-file.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { loadCertificate, type ServerCertificate } from './load-certificate.ts';
import { ensureServerCertificate } from './private-ca.ts';

/** How often a private certificate is looked at, ms. */
const RENEWAL_MS = 86_400_000;

export interface CertificatesOptions {
  readonly dataDir: string;
  readonly domain: string;
  /** Absent: a private CA. */
  readonly files?: TlsFiles | undefined;
  readonly log: Log;
}

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #listeners: ((certificate: ServerCertificate) => void)[] = [];
  #timer: Timer | undefined;

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** The certificate to start with. Throws CONFIG_TLS or CONFIG_UNREADABLE. */
  async load(): Promise<ServerCertificate> {
    const { files } = this.#options;
    if (files !== undefined) return loadCertificate(files);
    const certificate = await this.#ensure();
    this.#watch();
    return certificate;
  }

  /** Calls `listener` with every renewed certificate. */
  onRenewed(listener: (certificate: ServerCertificate) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #ensure(): Promise<ServerCertificate> {
    const { dataDir, domain, log } = this.#options;
    const certificate = await ensureServerCertificate({ dataDir, domain, now: systemClock.wall() });
    for (const what of certificate.made) {
      log.info({ [FIELD.file]: certificate.caFile }, `made a private ${what}`);
    }
    return certificate;
  }

  #watch(): void {
    this.#timer = systemClock.after(RENEWAL_MS, () => {
      this.#ensure().then(
        (certificate) => {
          for (const listener of this.#listeners) listener(certificate);
        },
        (err: unknown) => this.#options.log.error({ err }, 'cannot renew the private certificate'),
      );
      this.#watch();
    });
  }
}
