/**
 * How many connections a TCP listener has, in all and of each address.
 *
 * Remembers an address for as long as it has a connection, so it is bounded by the connections that are open.
 */
import { addressKey } from '../../access/sign-in/address-limit.ts';
import { PosternError } from '../../core/error.ts';

/** 0 is any number. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

export class ConnectionShares {
  /** By address; a whole /64 of IPv6 counts as one. */
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  /** Connections that are counted, and addresses that have any. */
  get size(): { readonly connections: number; readonly addresses: number } {
    return { connections: this.#total, addresses: this.#byAddress.size };
  }

  /** Counts a connection until the result is called, which is safe to do twice. Throws TCP_LIMIT when it would be one too many. */
  take(address: string, limits: ConnectionLimits): () => void {
    const { maxConnections, maxConnectionsPerAddress } = limits;
    const key = addressKey(address);
    const own = this.#byAddress.get(key) ?? 0;
    if (maxConnections > 0 && this.#total >= maxConnections) {
      throw tooMany(`${this.#total} are open, which is max-connections`);
    }
    if (maxConnectionsPerAddress > 0 && own >= maxConnectionsPerAddress) {
      throw tooMany(`${key} has ${own}, which is max-connections-per-address`);
    }
    this.#total += 1;
    this.#byAddress.set(key, own + 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#release(key);
      isHeld = false;
    };
  }

  #release(key: string): void {
    this.#total -= 1;
    const left = (this.#byAddress.get(key) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(key, left);
    else this.#byAddress.delete(key);
  }
}

function tooMany(why: string): PosternError {
  return new PosternError('TCP_LIMIT', `Cannot take the connection: ${why}`);
}
