/** HTTP/1.1 over TLS as Node's own client speaks it: nothing is tried a second time. */
import type { Agent } from 'node:http';
import { request } from 'node:https';
import type { Socket } from 'node:net';

import type { Gateway } from '../gateway.ts';
import type { HttpCall, HttpHead, HttpJob } from './http-job.ts';

export interface Http1Target {
  readonly gateway: Gateway;
  readonly hostname: string;
  /** False: a connection for this one request, and the origin is told so. */
  readonly agent: Agent | false;
}

/** When each connection was begun, by its socket. */
const begun = new WeakMap<Socket, number>();

export interface Http1Call extends HttpCall {
  /** When its connection was begun. */
  readonly connectedAt: () => number;
  /** Whether the connection had carried another request before. */
  readonly isReused: () => boolean;
}

export function callHttp1({ gateway, hostname, agent }: Http1Target, job: HttpJob): Http1Call {
  const startedAt = performance.now();
  let connectedAt = startedAt;
  const asked = request({
    ...gateway.connectOptions(hostname),
    agent,
    method: job.method,
    path: job.path,
    headers: {
      host: hostname,
      ...(job.method === 'POST' ? { 'content-length': job.bytes } : {}),
    },
  });
  asked.on('socket', (socket) => {
    connectedAt = begun.get(socket) ?? startedAt;
    begun.set(socket, connectedAt);
  });
  const head = new Promise<HttpHead>((resolve, reject) => {
    asked.on('error', reject);
    asked.on('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      resolve({ status, requestId: String(headers['x-request-id'] ?? ''), body: response });
    });
  });
  return {
    body: asked,
    head,
    destroy: (error) => asked.destroy(error),
    connectedAt: () => connectedAt,
    isReused: () => asked.reusedSocket,
  };
}
