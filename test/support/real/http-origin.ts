/**
 * A Node HTTP origin in a process of its own, so that its memory and its event loop are not those of the code under
 * test. What it answers to is listed in http-origin-process.js.
 */
import { join } from 'node:path';

import { startProcess, type TestProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { listeningPort } from './ready.ts';

export interface HttpOriginOptions {
  /** The port to listen on. Default: a free one. */
  readonly port?: number;
  /** Listens on a Unix socket instead of a port. */
  readonly unix?: boolean;
  /** Speaks TLS with this certificate and key, PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface HttpOrigin {
  /** 0 when it listens on a Unix socket. */
  readonly port: number;
  readonly socketPath: string | undefined;
  /** The service as an ingress rule names it: `http://…`, `https://…`, `unix:…` or `unix+tls:…`. */
  readonly service: string;
  readonly process: TestProcess;
  /** What it saw so far. */
  readonly stats: () => Promise<HttpOriginStats>;
  readonly stop: () => Promise<void>;
}

export interface HttpOriginStats {
  /** TCP connections accepted, and open now. */
  readonly accepted: number;
  readonly open: number;
  /** Requests whose headers arrived, and those of them that the peer broke off. */
  readonly requests: number;
  readonly aborted: number;
  /** WebSockets opened, and the close codes of those that ended. */
  readonly webSockets: number;
  readonly closeCodes: readonly number[];
}

const PROGRAM = join(import.meta.dirname, 'http-origin-process.js');

/** Starts the origin on 127.0.0.1 or a Unix socket. The clean-up stops it. */
export async function startHttpOrigin(options: HttpOriginOptions = {}): Promise<HttpOrigin> {
  const socketPath = options.unix === true ? join(tempDir('origin'), 'http.sock') : undefined;
  const how = JSON.stringify({ socketPath, tls: options.tls, port: options.port });
  const server = startProcess(process.execPath, [PROGRAM], {
    name: 'http-origin',
    env: { HTTP_ORIGIN: how, NODE_OPTIONS: undefined },
  });
  const port = await listeningPort(server);
  return {
    port,
    socketPath,
    service: serviceOf(port, socketPath, options.tls !== undefined),
    process: server,
    stats: () => askForStats(server),
    stop: async () => void (await server.stop()),
  };
}

function serviceOf(port: number, socketPath: string | undefined, isTls: boolean): string {
  if (socketPath !== undefined) return `${isTls ? 'unix+tls' : 'unix'}:${socketPath}`;
  return `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`;
}

let asked = 0;

/** Asked by a line on its stdin: a request would be counted itself. */
async function askForStats(server: TestProcess): Promise<HttpOriginStats> {
  asked += 1;
  server.stdin.write(`stats ${asked}\n`);
  const [, json = ''] = await server.waitForLine(new RegExp(`^stats ${asked} (.*)$`));
  const stats: HttpOriginStats = JSON.parse(json);
  return stats;
}
