/**
 * E-mail addresses in the one form that policies compare (case O22): ASCII, lower case, one `@`.
 *
 * What is not plainly one address is none: `a@b@evil.com`, quoted local parts and letters that only look like others have let people
 * into domains that were not theirs.
 */

/** The address in its one form, or undefined for everything else. */
export function canonicalEmail(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > 254) return undefined;
  const isPlain =
    /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
  return isPlain.test(text) ? text.toLowerCase() : undefined;
}
