/**
 * Listening sockets that outlive whoever serves them, as those of a systemd `.socket` unit do: they are bound here, a process
 * that is started with them listens, and connections that come while there is none wait for the next.
 */
import { bindHandle, type ListeningHandle } from '../../src/supervisor/listening-handle.ts';
import type { CleanupScope } from './cleanup.ts';

export class HeldSockets {
  readonly #handles: readonly ListeningHandle[];

  private constructor(handles: readonly ListeningHandle[]) {
    this.#handles = handles;
  }

  /** Binds these ports of 127.0.0.1, until the clean-up. */
  static async bind(ports: readonly number[], scope: CleanupScope): Promise<HeldSockets> {
    const handles = await Promise.all(ports.map((port) => bindHandle({ host: '127.0.0.1', port })));
    scope.add(() => handles.forEach((handle) => handle.close()));
    return new HeldSockets(handles);
  }

  /** What the process must get as its descriptors from 3 on. */
  get descriptors(): number[] {
    return this.#handles.map((handle) => Number(Reflect.get(handle, 'fd')));
  }

  /** The command in the environment of sd_listen_fds(3), which names its own process id. */
  activate(command: string, args: readonly string[]): [string, string[]] {
    const script = `LISTEN_FDS=${this.#handles.length} LISTEN_PID=$$ exec "$@"`;
    return ['/bin/sh', ['-c', script, 'sh', command, ...args]];
  }
}
