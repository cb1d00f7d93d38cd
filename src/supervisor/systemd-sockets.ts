/**
 * The listening sockets that systemd passes to the process it starts: descriptors from 3 on, counted in the environment.
 * sd_listen_fds(3).
 *
 * The variables are for one process: they are removed, so that no child takes what it was not given.
 */
import { adoptHandle, type ListeningHandle } from './listening-handle.ts';

/** The first descriptor that is passed: SD_LISTEN_FDS_START. */
const FIRST_FD = 3;

export interface InheritedSocket {
  /** `FileDescriptorName=` of its unit, else the unit's name. */
  readonly name: string;
  readonly handle: ListeningHandle;
}

/** Takes them over; none where they are meant for another process. Throws the system's error for what is no listening socket. */
export function takeSystemdSockets(
  env: NodeJS.ProcessEnv = process.env,
  pid: number = process.pid,
): InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS = '', LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (LISTEN_PID !== String(pid) || !/^\d{1,4}$/.test(LISTEN_FDS)) return [];
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: Number(LISTEN_FDS) }, (_, index) => ({
    name: names[index] ?? '',
    handle: adoptHandle(FIRST_FD + index),
  }));
}
