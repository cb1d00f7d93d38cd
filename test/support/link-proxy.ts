/**
 * A TCP path that a test can break: put it between a connector and its gateway.
 *
 * It delays, cuts (with RST or FIN, at once or at a byte), black-holes and refuses, and is mended again. It keeps the
 * order of bytes, half-closes and resets of what it carries, so that nothing but the asked-for fault is seen.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

import { cleanup } from './cleanup.ts';
import { LinkPipe } from './link-pipe.ts';
import { resetSocket, type PeerEnd } from './real/peer-end.ts';
import { freePort } from './real/port.ts';

/** How both ends learn of a cut: a reset, or an end that looks orderly. */
export type CutKind = PeerEnd;

export interface LinkProxyOptions {
  readonly target: { readonly host?: string; readonly port: number };
  /** Added to each direction, in ms. Default 0. */
  readonly delayMs?: number;
}

/** How long a connection cut with FIN may take to be closed by its peers before it is closed by force, in ms. */
const FIN_LINGER_MS = 1000;

/** The high water mark lets several chunks go out in one write. */
const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 1024 * 1024 } as const;

/** Starts the proxy on a free port of 127.0.0.1. The clean-up stops it. */
export async function startLinkProxy(options: LinkProxyOptions): Promise<LinkProxy> {
  const proxy = new LinkProxy(await freePort(), options);
  cleanup(() => proxy.stop());
  await proxy.restore();
  return proxy;
}

/** One connection: the accepted socket, and the one to the target once it is dialled. */
interface Path {
  readonly near: Socket;
  far: Socket | undefined;
  pipes: readonly LinkPipe[];
  isFrozen: boolean;
}

export class LinkProxy {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #delayMs: number;
  readonly #paths = new Set<Path>();
  #server: Server | undefined;
  #accepted = 0;
  #forwarded = 0;
  #isBlackhole = false;
  #fuse: { left: number; readonly kind: CutKind; readonly burnt: () => void } | undefined;

  constructor(port: number, { target, delayMs = 0 }: LinkProxyOptions) {
    this.port = port;
    this.#target = { host: target.host ?? '127.0.0.1', port: target.port };
    this.#delayMs = delayMs;
  }

  /** How many connections are open. */
  connections(): number {
    return this.#paths.size;
  }

  /** How many connections were ever accepted. */
  accepted(): number {
    return this.#accepted;
  }

  /** Bytes handed on so far, of all connections and both directions. */
  forwardedBytes(): number {
    return this.#forwarded;
  }

  /** Kills every open connection at once; what is under way is lost. Returns how many there were. */
  cutAll(kind: CutKind = 'reset'): number {
    const paths = [...this.#paths];
    for (const path of paths) this.#cut(path, kind);
    return paths.length;
  }

  /** Kills one connection, counted from 0 over the open ones in the order they came. */
  cutOne(index: number, kind: CutKind = 'reset'): void {
    this.#cut(this.#nth(index), kind);
  }

  /**
   * Kills the connection that carries the n-th byte from now on, in either direction, right after that byte. Resolves
   * when it did. A later call replaces an earlier one, whose promise then stays open.
   */
  cutAfterBytes(bytes: number, kind: CutKind = 'reset'): Promise<void> {
    return new Promise((resolve) => {
      this.#fuse = { left: bytes, kind, burnt: resolve };
    });
  }

  /**
   * Forwards nothing more, closes nothing, and accepts connections that stay as silent. With an index only that
   * connection, counted as in `cutOne`, falls silent.
   */
  blackhole(index?: number): void {
    this.#isBlackhole ||= index === undefined;
    for (const path of index === undefined ? this.#paths : [this.#nth(index)]) {
      path.isFrozen = true;
      for (const pipe of path.pipes) pipe.freeze();
    }
  }

  /** Refuses new connections; the open ones live on. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    // Its 'close' event waits for the open connections; the listening socket itself is closed with the next turn.
    server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Mends what `blackhole` and `refuse` broke. What the black hole held is delivered. */
  async restore(): Promise<void> {
    this.#isBlackhole = false;
    for (const path of this.#paths) {
      path.isFrozen = false;
      if (path.far === undefined) this.#dial(path);
      for (const pipe of path.pipes) pipe.thaw();
    }
    if (this.#server !== undefined) return;
    const server = createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true });
    server.on('connection', (near) => this.#accept(near));
    this.#server = server.listen(this.port, this.host);
    await once(server, 'listening');
  }

  /** Cuts everything and closes the listener. */
  async stop(): Promise<void> {
    await this.refuse();
    this.#fuse = undefined;
    this.cutAll();
  }

  #accept(near: Socket): void {
    this.#accepted += 1;
    const path: Path = { near, far: undefined, pipes: [], isFrozen: this.#isBlackhole };
    this.#paths.add(path);
    near.on('error', () => undefined);
    near.on('close', () => this.#forgetWhenClosed(path));
    if (!path.isFrozen) this.#dial(path);
  }

  #dial(path: Path): void {
    const { near } = path;
    const far = connect({ ...this.#target, ...SOCKET_OPTIONS });
    path.far = far;
    far.on('error', () => undefined);
    far.on('close', () => this.#forgetWhenClosed(path));
    const options = {
      delayMs: this.#delayMs,
      onChunk: (bytes: number) => this.#spend(path, bytes),
    };
    path.pipes = [new LinkPipe(near, far, options), new LinkPipe(far, near, options)];
    near.resume();
  }

  /** Counts bytes, and says where to stop when the fuse burns down on them. */
  #spend(path: Path, bytes: number): { pass: number; done: () => void } | undefined {
    const fuse = this.#fuse;
    if (fuse === undefined || fuse.left > bytes) {
      this.#forwarded += bytes;
      if (fuse !== undefined) fuse.left -= bytes;
      return undefined;
    }
    this.#forwarded += fuse.left;
    this.#fuse = undefined;
    const done = (): void => {
      this.#cut(path, fuse.kind);
      fuse.burnt();
    };
    return { pass: fuse.left, done };
  }

  #cut(path: Path, kind: CutKind): void {
    this.#paths.delete(path);
    for (const pipe of path.pipes) pipe.stop();
    const { near, far } = path;
    for (const socket of far === undefined ? [near] : [near, far]) {
      if (kind === 'reset' || socket.connecting) resetSocket(socket);
      else closeWithFin(socket);
    }
  }

  #forgetWhenClosed(path: Path): void {
    if (path.near.closed && (path.far?.closed ?? true)) this.#paths.delete(path);
  }

  #nth(index: number): Path {
    const path = [...this.#paths][index];
    if (path === undefined) {
      throw new Error(`Cannot find connection ${index}: ${this.#paths.size} are open`);
    }
    return path;
  }
}

/** Sends FIN and swallows what still comes: closing with unread bytes would send RST instead. */
function closeWithFin(socket: Socket): void {
  socket.resume();
  socket.end();
  const timer = setTimeout(() => socket.destroy(), FIN_LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
