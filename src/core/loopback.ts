/** Hosts that are this machine and nothing else. */
import { isIPv4 } from 'node:net';

/** Whether a hostname or address, IPv6 with or without brackets, only ever means this machine. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '[::1]') return true;
  return isIPv4(host) && host.startsWith('127.');
}
