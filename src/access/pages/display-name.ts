/** How a person is called on pages: by the e-mail address where there is one, since that is what they typed. */
import type { Identity } from '../identity.ts';

export function displayName({ email, name, subject }: Identity): string {
  return email ?? name ?? subject;
}
