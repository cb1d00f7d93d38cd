/**
 * Listening sockets as bare handles: bound, or taken from systemd, and given to another process without ever listening or
 * accepting here. docs/decisions/0020.
 *
 * The one place that knows what Node does not document: `net._createServerHandle()`, and that a bare handle travels over
 * the channel to a child. Both are what `node:cluster` is built on, and the test of this file fails where they are gone.
 */
import type { MessageOptions, SendHandle } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';

/** `host` is '' for every address of the machine. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

/** A socket that somebody else listens on. Whoever has it closes it. */
export interface ListeningHandle {
  /** Fills in the address; returns 0 or a negative error number. Unix sockets have none. */
  getsockname?(out: object): number;
  close(): void;
}

type CreateServerHandle = (
  host: string | null,
  port: number,
  family: number,
  fd: number | undefined,
  flags: number,
) => ListeningHandle | number;

/** Binds an address. Rejects with the system's error, its `code` such as EADDRINUSE or ENOTFOUND. */
export async function bindHandle({ host, port }: BoundAddress): Promise<ListeningHandle> {
  const { address, family } = host === '' ? { address: null, family: 4 } : await lookup(host);
  const handle = created(createServerHandle(address, port, family, undefined, 0));
  const bound: { port?: number } = {};
  const status = nameOf(handle, bound);
  // libuv keeps EADDRINUSE to itself until somebody listens, and whoever listens on an unbound socket gets any port.
  const isOther = status === 0 && port !== 0 && bound.port !== port;
  if (status === 0 && !isOther) return handle;
  handle.close();
  throw systemError(isOther ? 'EADDRINUSE' : getSystemErrorName(status));
}

/**
 * Binds a Unix socket that only this user may open. The file is removed when this process closes the handle. Throws the
 * system's error, EADDRINUSE for any file that is there.
 */
export function bindPath(path: string): ListeningHandle {
  // The mode of a socket is what the umask leaves.
  const umask = process.umask(0o177);
  try {
    return created(createServerHandle(path, -1, -1, undefined, 0));
  } finally {
    process.umask(umask);
  }
}

/** Takes over the listening socket that this process was started with. Throws the system's error when it is none. */
export function adoptHandle(fd: number): ListeningHandle {
  const handle = created(createServerHandle(null, 0, 4, fd, 0));
  const status = nameOf(handle, {});
  if (status === 0) return handle;
  handle.close();
  throw systemError(getSystemErrorName(status));
}

/** Where a handle is bound, its host as an address. */
export function addressOfHandle(handle: ListeningHandle): BoundAddress {
  const bound: { address?: string; port?: number } = {};
  const status = nameOf(handle, bound);
  if (status !== 0) throw systemError(getSystemErrorName(status));
  return { host: bound.address ?? '', port: bound.port ?? 0 };
}

/**
 * Sends a message to another process, with a handle that it gets beside the event `message`. The handle stays open here.
 * `done` is called in any case, with an error when the other is known to be gone.
 */
export function sendHandle(
  to: { send?: ((...args: SendArguments) => boolean) | undefined },
  message: object,
  handle: ListeningHandle | undefined,
  done: (error: Error | null) => void,
): void {
  // The type of what may be sent names the wrapped kinds only.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  to.send?.(message, handle as unknown as SendHandle, {}, done);
}

/** What a server listens on, to be sent. It stays the server's: whoever closes it closes the server's. */
export function handleOfServer(server: net.Server): ListeningHandle | undefined {
  const handle: unknown = Reflect.get(server, '_handle');
  // Undefined before it listens, null afterwards, and a bare handle in between.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return typeof handle === 'object' && handle !== null ? (handle as ListeningHandle) : undefined;
}

/** Has a server listen on a handle that is its own from now on. Returns the address. */
export async function listenOnHandle(
  server: net.Server,
  handle: ListeningHandle,
): Promise<BoundAddress> {
  server.listen(handle);
  await once(server, 'listening');
  const { address: host, port } = server.address() as net.AddressInfo;
  return { host, port };
}

type SendArguments = [
  message: object,
  handle?: SendHandle,
  options?: MessageOptions,
  done?: (error: Error | null) => void,
];

const createServerHandle: CreateServerHandle = (...args) => {
  const create: unknown = Reflect.get(net, '_createServerHandle');
  if (typeof create !== 'function') throw systemError('ENOTSUP');
  // What is there has had this shape since Node 0.12.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (create as CreateServerHandle)(...args);
};

function nameOf(handle: ListeningHandle, out: object): number {
  return handle.getsockname?.(out) ?? 0;
}

function created(made: ListeningHandle | number): ListeningHandle {
  if (typeof made === 'number') throw systemError(getSystemErrorName(made));
  return made;
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`Cannot bind: ${code}`), { code });
}
