/**
 * A machine of its own on a network of its own, with one cable to this one: a network namespace of Linux. Its address can be
 * changed, and its packets can be made to vanish, without a word to anybody who has a connection open.
 *
 * Only root can make one. Where that is not possible the suite fails: what did not run must not look as if it had passed.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { cleanup } from './cleanup.ts';
import { mustRun } from './run.ts';
import { toolPath } from './tools.ts';

/** Belongs to nobody: networks are measured with it (RFC 2544). */
const NETWORK = '198.18';
const NOWHERE = '02:00:00:00:00:99';

export interface Laptop {
  /** Address of this machine at the other end of the cable. */
  readonly host: string;
  /** The program and arguments that run a command there. */
  readonly command: (command: string, args: readonly string[]) => [string, string[]];
  /** Its packets vanish, and those for it. */
  readonly blackhole: () => Promise<void>;
  /** They arrive again. */
  readonly restore: () => Promise<void>;
  /** It has another address from now on, and the one before no more. */
  readonly changeAddress: () => Promise<void>;
}

/** Makes one that resolves `names` to this machine. The clean-up removes it. */
export async function startLaptop(names: readonly string[]): Promise<Laptop> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('Cannot make a network namespace: run this suite as root on Linux');
  }
  const ip = toolPath('ip');
  const id = process.pid % 65_536;
  const name = `postern-test-${id}`;
  const [near, far] = [`pt${id}h`, `pt${id}l`];
  // 256 networks; another run at the same moment is unlikely to have ours.
  const net = `${NETWORK}.${id % 256}`;
  const host = `${net}.1`;
  const there = async (...words: readonly string[]): Promise<unknown> =>
    mustRun(ip, ['-n', name, ...words]);
  const etc = join('/etc/netns', name);
  await mustRun(ip, ['netns', 'add', name]);
  cleanup(async () => {
    // What runs there has ended by then: it was started later. The cable goes with it.
    await mustRun(ip, ['netns', 'del', name]);
    rmSync(etc, { recursive: true, force: true });
  });
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n${host} ${names.join(' ')}\n`);
  await mustRun(ip, ['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name]);
  await mustRun(ip, ['addr', 'add', `${host}/24`, 'dev', near]);
  await mustRun(ip, ['link', 'set', near, 'up']);
  await there('link', 'set', 'lo', 'up');
  await there('link', 'set', far, 'up');
  let last = 2;
  const address = (): string => `${net}.${last}`;
  await there('addr', 'add', `${address()}/24`, 'dev', far);
  const neighbour = ['lladdr', NOWHERE, 'nud', 'permanent'];
  return {
    host,
    command: (command, args) => [ip, ['netns', 'exec', name, command, ...args]],
    blackhole: async () => {
      await there('neigh', 'replace', host, ...neighbour, 'dev', far);
      await mustRun(ip, ['neigh', 'replace', address(), ...neighbour, 'dev', near]);
    },
    restore: async () => {
      await there('neigh', 'del', host, 'dev', far);
      await mustRun(ip, ['neigh', 'del', address(), 'dev', near]);
    },
    changeAddress: async () => {
      const old = address();
      last += 1;
      await there('addr', 'del', `${old}/24`, 'dev', far);
      await there('addr', 'add', `${address()}/24`, 'dev', far);
    },
  };
}
