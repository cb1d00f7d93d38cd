/** What the IPv6 address of an IPv4 one begins with: a socket that takes both families shows it so (RFC 4291 §2.5.5.2). */
const MAPPED = '::ffff:';

/** An IP address, an IPv4 one as such. Asked for each request, so without a pattern. */
export function unmappedAddress(address: string): string {
  const isMapped = address.startsWith(MAPPED) && address.includes('.');
  return isMapped ? address.slice(MAPPED.length) : address;
}
