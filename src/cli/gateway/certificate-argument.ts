/** A client certificate that a command line describes: `common-name=printer,name=printer.example.com,fingerprint=…`. */
import type { ClientCertificate } from '../../access/identity.ts';
import { PosternError } from '../../core/error.ts';

/** The certificate. For questions about policies only. Throws CLI_USAGE. */
export function parseCertificate(text: string): ClientCertificate {
  const names: string[] = [];
  const single = { 'common-name': '', fingerprint: '' };
  for (const part of text.split(',')) {
    const [, key = '', value = ''] = /^([^=]*)=(.+)$/s.exec(part) ?? [];
    if (key === 'name') names.push(value);
    else if (key === 'common-name') single[key] = value;
    else if (key === 'fingerprint') single[key] = value.replaceAll(':', '').toLowerCase();
    else throw notUnderstood(part);
  }
  return { commonName: single['common-name'], fingerprint: single.fingerprint, names };
}

function notUnderstood(part: string): PosternError {
  const remedy = 'write common-name=…, name=… or fingerprint=… with commas between them';
  const message = `Cannot read client certificate: "${part}" is not known; ${remedy}`;
  return new PosternError('CLI_USAGE', message);
}
