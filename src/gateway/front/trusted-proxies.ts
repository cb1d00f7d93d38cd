/**
 * The proxies that are believed, and what they say about a request: whose it is, and whether it came over TLS.
 *
 * Empty unless somebody lists them: then nobody is believed. A chain of addresses is read from its end, which the nearest
 * proxy wrote, for as long as those who wrote are trusted; what is left of it was said by a stranger and is dropped. P18.
 */
import type { Socket } from 'node:net';
import { isInAny, plainAddress, type IpRange } from '../../config/access/ip-range.ts';
import { LIMITS } from '../../core/limits.ts';
import { clientOf, type ClientAddress } from './client-address.ts';

/** Where a request comes from. */
export interface Provenance {
  readonly client: ClientAddress;
  /** The client and the proxies on the way, as `X-Forwarded-For` has them. */
  readonly forwardedFor: string;
  /** Whether the user spoke TLS, with us or with a trusted proxy. */
  readonly isTls: boolean;
}

/** What a request is known by. */
interface Asked {
  readonly socket: Socket;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
}

export class TrustedProxies {
  #ranges: readonly IpRange[];

  constructor(ranges: readonly IpRange[] = []) {
    this.#ranges = ranges;
  }

  /** Trusts these from now on, and no others. */
  set(ranges: readonly IpRange[]): void {
    this.#ranges = ranges;
  }

  has(address: string): boolean {
    return isInAny(this.#ranges, address);
  }

  /** Where a request comes from. */
  provenanceOf({ socket, rawHeaders }: Asked): Provenance {
    const peer = clientOf(socket);
    const isTls = 'encrypted' in socket;
    if (!this.has(peer.address)) return { client: peer, forwardedFor: peer.address, isTls };
    const chain = this.#chain(peer.address, valuesOf(rawHeaders, 'x-forwarded-for'));
    const [first = peer.address] = chain;
    const client = chain.length === 1 ? peer : { address: first, port: 0 };
    const proto = valuesOf(rawHeaders, 'x-forwarded-proto').at(-1)?.toLowerCase();
    return {
      client,
      forwardedFor: chain.join(', '),
      isTls: proto === 'https' || (proto !== 'http' && isTls),
    };
  }

  /** Addresses from the client to the peer. */
  #chain(peer: string, said: string[]): string[] {
    const chain = [peer];
    for (let from = peer; this.has(from) && chain.length < LIMITS.forwardedHops;) {
      const hop = parseHop(said.pop());
      if (hop === undefined) break;
      chain.unshift(hop);
      from = hop;
    }
    return chain;
  }
}

/** The elements of all fields with this name, in order. */
function valuesOf(rawHeaders: readonly string[], lowerName: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== lowerName) continue;
    values.push(...(rawHeaders[index + 1] ?? '').split(','));
  }
  return values.map((value) => value.trim()).filter((value) => value !== '');
}

/** An address, also in brackets and with a port, which some proxies add. */
function parseHop(text = ''): string | undefined {
  const [, v6, v4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? [];
  return plainAddress(v6 ?? v4 ?? text);
}
