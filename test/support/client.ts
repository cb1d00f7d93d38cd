/**
 * A client as people run it: `postern access tcp` in a process of its own, with a local port that leads to a hostname.
 */
import type { Gateway } from './gateway.ts';
import { startProcess, type TestProcess } from './processes.ts';
import { posternCommand, posternEnv } from './run.ts';
import { tempDir } from './temp-dir.ts';

export interface ForwardOptions {
  readonly gateway: Gateway;
  readonly hostname: string;
  /** What it dials instead of the gateway: a link proxy for example. */
  readonly via?: { readonly port: number };
  /** What a bastion is asked for, `host:port`. */
  readonly destination?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface RunningForward {
  readonly process: TestProcess;
  /** The local port. */
  readonly port: number;
}

/** What every `access` command needs to find the gateway, with a home of its own. */
export function clientEnv(
  gateway: Gateway,
  via?: { readonly port: number },
): Record<string, string> {
  return {
    POSTERN_GATEWAY: `https://127.0.0.1:${via?.port ?? gateway.ports.https}`,
    POSTERN_CA: gateway.caFile,
    POSTERN_HOME: tempDir('client'),
  };
}

/** Starts a forward and waits until its port is open. The clean-up stops it. */
export async function startForward(options: ForwardOptions): Promise<RunningForward> {
  const { gateway, hostname, destination, via, env } = options;
  const words = ['access', 'tcp', '--hostname', hostname, '--listen', '127.0.0.1:0'];
  if (destination !== undefined) words.push('--destination', destination);
  const [command, args] = posternCommand(...words);
  const process = startProcess(command, args, {
    name: `access tcp ${hostname}`,
    env: posternEnv({ ...clientEnv(gateway, via), ...env }),
  });
  const [, port] = await process.waitForLine(/is on 127\.0\.0\.1:(\d+)$/);
  return { process, port: Number(port) };
}
