/**
 * The key and certificate of one host that plain `ssh` uses, in the client's private folder.
 *
 * The key is made once and the certificate replaced whole, so that several commands at once never see two that do not belong
 * together. Without a certificate, which ends in minutes, the key opens nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { SshReader } from '../../core/ssh-wire.ts';
import { createFileAtomic, writeFileAtomic } from '../../core/write-file-atomic.ts';
import { openPrivateFolder } from '../client-home.ts';
import { newClientKey, publicLineOf } from './client-key.ts';

/** What is kept for a host. */
export interface KeptKey {
  /** `ssh-ed25519 AAAA…` */
  readonly publicLine: string;
  /** When its certificate ends, ms since 1970; undefined when there is none for this key. */
  readonly expiresAt: number | undefined;
  /** Replaces the certificate. */
  keep(certificate: string): Promise<void>;
}

/** The key for a host, made where there is none. `hostname` is in normal form. CLI_CREDENTIALS, CLI_FAILED. */
export async function openKeptKey(folder: string, hostname: string): Promise<KeptKey> {
  await openPrivateFolder(folder);
  const file = join(folder, hostname);
  const certificateFile = `${file}-cert.pub`;
  try {
    // Of several commands at once the first makes it, and the others take its.
    await createFileAtomic(file, newClientKey().privateText, 0o600);
    const publicLine = publicLineOf(await readFile(file, 'utf8'));
    const certificate = await readOptional(certificateFile);
    return {
      publicLine,
      expiresAt: certificate === undefined ? undefined : expiryOf(certificate, publicLine),
      keep: async (line) => writeFileAtomic(certificateFile, `${line}\n`, 0o600),
    };
  } catch (cause) {
    const message = `Cannot keep a key for "${hostname}": ${messageOf(cause)}`;
    throw new PosternError('CLI_FAILED', message, { cause });
  }
}

/** When a certificate ends; undefined when it is not for this key or is damaged. */
function expiryOf(certificate: string, publicLine: string): number | undefined {
  try {
    const [blob, own] = [certificate, publicLine].map(
      (line) => new SshReader(Buffer.from(line.split(' ')[1] ?? '', 'base64')),
    );
    if (blob === undefined || own === undefined) return undefined;
    own.string(); // type
    blob.string(); // type
    blob.string(); // nonce
    if (!blob.string().equals(own.string())) return undefined;
    const behindSerial = new SshReader(blob.rest.subarray(12)); // serial, kind
    behindSerial.string(); // key id
    behindSerial.string(); // principals
    return Number(behindSerial.rest.readBigUInt64BE(8)) * 1000;
  } catch {
    return undefined;
  }
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
