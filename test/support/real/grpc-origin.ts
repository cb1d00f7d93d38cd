/** A gRPC server in a process of its own. What it answers to is listed in grpc-origin-process.js. */
import { join } from 'node:path';

import { startProcess, type TestProcess } from '../processes.ts';
import { listeningPort } from './ready.ts';

export interface GrpcOriginOptions {
  /** The port to listen on. Default: a free one. */
  readonly port?: number;
  /** Speaks TLS with this certificate and key, PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface GrpcOrigin {
  readonly port: number;
  /** The service as an ingress rule names it. Needs `http2Origin`. */
  readonly service: string;
  readonly process: TestProcess;
  /** Takes no new calls, finishes those under way, and ends. */
  readonly stop: () => Promise<void>;
}

const PROGRAM = join(import.meta.dirname, 'grpc-origin-process.js');

/** Starts the server on 127.0.0.1. The clean-up stops it. */
export async function startGrpcOrigin(options: GrpcOriginOptions = {}): Promise<GrpcOrigin> {
  const server = startProcess(process.execPath, [PROGRAM], {
    name: 'grpc-origin',
    env: { GRPC_ORIGIN: JSON.stringify(options), NODE_OPTIONS: undefined },
  });
  const port = await listeningPort(server);
  return {
    port,
    service: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    process: server,
    stop: async () => void (await server.stop()),
  };
}
