/**
 * The certificate the gateway's own listeners serve: the configured one, or one from a private CA in the data directory,
 * which is renewed while the gateway runs. A configured one is read again when somebody says so. New handshakes see another
 * one at once; live connections are untouched.
 */
import type { TlsFiles } from '../../config/pem-file.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { isSameCertificate, loadCertificate, type ServerCertificate } from './load-certificate.ts';
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

/** A certificate that was read and is not served yet. */
export interface PreparedCertificate {
  readonly isOther: boolean;
  /** Serves it. */
  apply(): void;
}

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #listeners: ((certificate: ServerCertificate) => void)[] = [];
  #timer: Timer | undefined;
  #served: ServerCertificate | undefined;

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** The certificate to start with. Throws CONFIG_TLS or CONFIG_UNREADABLE. */
  async load(): Promise<ServerCertificate> {
    const { files } = this.#options;
    const certificate = await this.#read(files);
    this.#served = certificate;
    if (files === undefined) this.#watch();
    return certificate;
  }

  /** Reads the certificate of these files, or the private one without. Throws CONFIG_TLS or CONFIG_UNREADABLE. */
  async prepare(files: TlsFiles | undefined): Promise<PreparedCertificate> {
    const certificate = await this.#read(files);
    const isOther = !isSameCertificate(certificate, this.#served);
    const apply = (): void => {
      this.stop();
      if (files === undefined) this.#watch();
      if (isOther) this.#serve(certificate);
    };
    return { isOther, apply };
  }

  /** Calls `listener` with every renewed certificate. */
  onRenewed(listener: (certificate: ServerCertificate) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #read(files: TlsFiles | undefined): Promise<ServerCertificate> {
    return files === undefined ? this.#ensure() : loadCertificate(files);
  }

  #serve(certificate: ServerCertificate): void {
    this.#served = certificate;
    for (const listener of this.#listeners) listener(certificate);
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
        (certificate) => this.#serve(certificate),
        (err: unknown) => this.#options.log.error({ err }, 'cannot renew the private certificate'),
      );
      this.#watch();
    });
  }
}
