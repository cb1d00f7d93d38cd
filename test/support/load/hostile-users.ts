/** Users who want to bring a gateway down, as a process; what they do is listed in hostile-users-process.js. */
import { join } from 'node:path';

import type { Gateway } from '../gateway.ts';
import { startProcess } from '../processes.ts';

const PROGRAM = join(import.meta.dirname, 'hostile-users-process.js');

/** What became of the connections of one kind. */
export interface HostileCounts {
  readonly opened: number;
  /** By the gateway, or because of it. */
  readonly ended: number;
  /** Over HTTP/1.1, by status. */
  readonly answers: Readonly<Record<string, number>>;
}

export interface HostileUsers {
  /** Ends them and says how they fared, by kind. */
  stop(): Promise<Readonly<Record<string, HostileCounts>>>;
}

/** Starts them, each kind at one of these addresses of this machine. */
export async function startHostileUsers(
  gateway: Gateway,
  hostname: string,
  addresses: readonly string[],
): Promise<HostileUsers> {
  const { port, ca } = gateway.connectOptions(hostname);
  const how = JSON.stringify({ port, hostname, ca, addresses });
  // Elsewhere they would have processors of their own.
  const users = startProcess('nice', ['-n', '10', process.execPath, PROGRAM], {
    name: 'hostile-users',
    env: { HOSTILE_USERS: how, NODE_OPTIONS: undefined },
  });
  await users.waitForLine(/^begun$/);
  return {
    stop: async () => {
      users.stdin.end();
      const [, told = ''] = await users.waitForLine(/^told (.*)$/);
      await users.exited;
      return JSON.parse(told);
    },
  };
}
