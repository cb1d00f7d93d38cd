/** A condition in one line, as close to what a file says as one line can be. */
import type { CertificateMatch, Selector } from '../../config/access/selector.ts';

/** `email-domain example.com`, `ip 192.0.2.0/24 or 2001:db8::/32`. */
export function describeSelector(selector: Selector): string {
  switch (selector.kind) {
    case 'everyone':
    case 'any-identity':
      return selector.kind;
    case 'claim':
      return `claim ${selector.name} = ${String(selector.value)}`;
    case 'ip':
      return `ip ${selector.ranges.map(({ text }) => text).join(' or ')}`;
    case 'country':
      return `country ${selector.countries.join(' or ')}`;
    case 'client-certificate':
      return `client-certificate ${describeMatch(selector.match)}`;
    default:
      return `${selector.kind} ${selector.value}`;
  }
}

function describeMatch(match: CertificateMatch): string {
  return match.field === 'any' ? 'any' : `${match.field} ${match.value}`;
}
