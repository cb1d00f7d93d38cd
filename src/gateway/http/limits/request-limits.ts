/**
 * How many requests one address and one application may have under way, and how large a body may be.
 *
 * Every request takes its places before it costs anything beyond its head, and gives them back when it has ended, a WebSocket
 * when it is closed. Decides only: who is refused is answered by the handler.
 */
import { addressKey } from '../../../access/sign-in/address-limit.ts';
import type { HttpLimits } from '../../../config/http-limits.ts';
import { formatByteSize } from '../../../core/byte-size.ts';
import { PosternError } from '../../../core/error.ts';
import type { RequestRecord } from '../record/request-record.ts';
import { Places } from './places.ts';

/** What an application allows; a limit that it leaves out is that of all requests, or none. */
export interface ApplicationLimits {
  readonly name: string;
  /** Bytes; 0 for no limit. */
  readonly maxBodyBytes?: number | undefined;
  /** Requests and WebSockets at once; 0 for no limit. */
  readonly maxRequests?: number | undefined;
}

export class RequestLimits {
  /** In force from now on; places that are taken stay taken. */
  limits: HttpLimits;
  readonly #requests = new Places();
  readonly #webSockets = new Places();
  readonly #applications = new Places();

  constructor(limits: HttpLimits) {
    this.limits = limits;
  }

  /** Takes a place of the request's address. Returns the error that refuses it where there is none. */
  enter(record: RequestRecord, isWebSocket: boolean): PosternError | undefined {
    const { maxRequestsPerAddress, maxWebSocketsPerAddress } = this.limits;
    const most = isWebSocket ? maxWebSocketsPerAddress : maxRequestsPerAddress;
    if (most === 0) return undefined;
    const places = isWebSocket ? this.#webSockets : this.#requests;
    const place = places.take(addressKey(record.client.address), most);
    if (place !== undefined) {
      record.places.push(place);
      return undefined;
    }
    const what = isWebSocket ? 'WebSockets' : 'requests';
    const message = `Cannot serve the request: its address has ${most} ${what} under way, the limit`;
    return new PosternError('HTTP_ADDRESS_LIMIT', message);
  }

  /** Takes a place of the application. Returns the error that refuses the request where there is none. */
  enterApplication(
    record: RequestRecord,
    { name, maxRequests = 0 }: ApplicationLimits,
  ): PosternError | undefined {
    if (maxRequests === 0) return undefined;
    const place = this.#applications.take(name, maxRequests);
    if (place !== undefined) {
      record.places.push(place);
      return undefined;
    }
    const message = `Cannot serve the request: application "${name}" has ${maxRequests} under way, the limit`;
    return new PosternError('HTTP_APPLICATION_LIMIT', message);
  }

  /** Gives back what the request took. */
  leave({ places }: RequestRecord): void {
    for (const place of places.splice(0)) place.release();
  }

  /** The largest body a request may have, bytes; Infinity where there is no limit. */
  maxBodyBytes(application: ApplicationLimits | undefined): number {
    const most = application?.maxBodyBytes ?? this.limits.maxBodyBytes;
    return most === 0 ? Number.POSITIVE_INFINITY : most;
  }
}

/** The error for a body of more than `most` bytes. */
export function bodyTooLarge(most: number): PosternError {
  const message = `Cannot pass on the request: its body is over ${formatByteSize(most)}, the limit`;
  return new PosternError('HTTP_BODY_TOO_LARGE', message);
}
