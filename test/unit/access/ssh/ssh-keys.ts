/** Keys that the real ssh-keygen makes, and what it says of certificates. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { mustRun } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { toolPath } from '../../../support/tools.ts';

export interface KeyPair {
  /** The private key; `ssh -i` takes it. */
  readonly file: string;
  /** The line of the public key. */
  readonly line: string;
}

/** `kind`: arguments such as `-t rsa -b 2048`. */
export async function makeKeyPair(...kind: readonly string[]): Promise<KeyPair> {
  const file = join(tempDir('ssh-key'), 'key');
  const args = ['-q', '-N', '', '-C', 'a comment', '-f', file];
  await mustRun(toolPath('ssh-keygen'), [...args, ...kind]);
  return { file, line: readFileSync(`${file}.pub`, 'utf8') };
}

/** What `ssh-keygen -L` prints of a certificate, whose signature it has checked; times in UTC. */
export async function describeCertificate(certificate: string): Promise<string> {
  const file = join(tempDir('ssh-cert'), 'cert.pub');
  writeFileSync(file, `${certificate}\n`);
  const env = { TZ: 'UTC' };
  return (await mustRun(toolPath('ssh-keygen'), ['-L', '-f', file], { env })).stdout;
}
