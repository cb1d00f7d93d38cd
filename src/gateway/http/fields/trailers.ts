/**
 * The fields behind a body, in both directions: what may be one, and what poses as one (RFC 9110 §6.5.1, P8).
 *
 * Pure. The invariant: a trailer never says what only a head may say. Whoever reads trailers into the head, as some
 * programs do, finds no identity, no route, no framing and no cookie there that the gateway did not look at.
 */
import { HOP_BY_HOP } from '../../../core/hop-by-hop.ts';
import { connectionOptions, isGatewayOwned } from './header-rules.ts';

/** Fields that frame, route, authenticate, describe or control a message: too late behind its body. */
const HEAD_ONLY: ReadonlySet<string> = new Set(
  `age authentication-info authorization cache-control content-encoding content-length content-location content-range
  content-type cookie date expect expires host if-match if-modified-since if-none-match if-range if-unmodified-since
  location max-forwards origin pragma proxy-authentication-info range referer retry-after set-cookie
  strict-transport-security vary www-authenticate`.split(/\s+/),
);

/** The trailers of a request that an origin may have: names and values in turn, as are `raw` and `rawHeaders`. */
export function requestTrailers(raw: readonly string[], rawHeaders: readonly string[]): string[] {
  if (raw.length === 0) return [];
  const listed = listedIn(rawHeaders);
  return pairsOf(raw)
    .filter(([name]) => isTrailer(name) && !listed.has(name.toLowerCase()))
    .flat();
}

/**
 * The Trailer field of a request as an origin may have it; undefined without any name that is left, and where the body has a
 * length: it has no place for trailers in HTTP/1.1.
 */
export function requestAnnouncement(rawHeaders: readonly string[]): string | undefined {
  const fields = pairsOf(rawHeaders).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (fields.some(([name]) => name === 'content-length')) return undefined;
  const values = fields.filter(([name]) => name === 'trailer').map(([, value]) => value);
  const listed = listedIn(rawHeaders);
  return announcedTrailers(values.join(','), (name) => !listed.has(name.toLowerCase()));
}

/** The trailers of a response that a user may have. `raw` has names and values in turn. */
export function responseTrailers(raw: readonly (Buffer | string)[] | null): [string, string][] {
  if (raw === null || raw.length === 0) return [];
  const texts = raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
  return pairsOf(texts).filter(([name]) => isTrailer(name));
}

/** The names in a Trailer field that may be trailers, and that `picks` picks; undefined without any. */
export function announcedTrailers(
  value: string,
  picks: (name: string) => boolean = () => true,
): string | undefined {
  const names = value.split(',').map((name) => name.trim());
  const kept = names.filter((name) => name !== '' && isTrailer(name) && picks(name));
  return kept.length === 0 ? undefined : kept.join(', ');
}

function isTrailer(name: string): boolean {
  const lowerName = name.toLowerCase();
  if (lowerName.startsWith(':')) return false;
  return !HEAD_ONLY.has(lowerName) && !HOP_BY_HOP.has(lowerName) && !isGatewayOwned(lowerName);
}

function listedIn(rawHeaders: readonly string[]): Set<string> {
  const lists = pairsOf(rawHeaders).filter(([name]) => name.toLowerCase() === 'connection');
  return new Set(lists.flatMap(([, value]) => connectionOptions(value)));
}

function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < flat.length; index += 2) {
    pairs.push([flat[index] ?? '', flat[index + 1] ?? '']);
  }
  return pairs;
}
