/**
 * As much of a container registry as pushing a blob takes (OCI distribution specification, "Pushing a blob in chunks"): an upload
 * is opened, takes chunks in order, says how far it has come, and is closed with the digest of the whole.
 */
import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { startHttpListener } from './http-listener.ts';

interface Upload {
  readonly hash: Hash;
  bytes: number;
}

export interface RegistryOrigin {
  /** The service as an ingress rule names it. */
  readonly service: string;
  /** Bytes of each blob that is complete, by digest. */
  readonly blobs: ReadonlyMap<string, number>;
  /** How far each upload has come. */
  readonly progress: () => number[];
}

/** Starts it on 127.0.0.1. The clean-up stops it. */
export async function startRegistryOrigin(): Promise<RegistryOrigin> {
  const uploads = new Map<string, Upload>();
  const blobs = new Map<string, number>();
  const { service } = await startHttpListener((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://registry');
    const id = /^\/v2\/app\/blobs\/uploads\/(\d*)$/.exec(pathname)?.[1];
    if (id === undefined) return void response.writeHead(404).end();
    if (request.method === 'POST' && id === '') {
      const next = String(uploads.size + 1);
      uploads.set(next, { hash: createHash('sha256'), bytes: 0 });
      return say(request, response, { status: 202, id: next, bytes: 0 });
    }
    const upload = uploads.get(id);
    if (upload === undefined) return void response.writeHead(404).end();
    if (request.method === 'PATCH') return take(request, response, { id, upload });
    if (request.method === 'GET') return say(request, response, { status: 204, id, ...upload });
    const digest = `sha256:${upload.hash.copy().digest('hex')}`;
    if (searchParams.get('digest') !== digest) return void response.writeHead(400).end(digest);
    blobs.set(digest, upload.bytes);
    return void response.writeHead(201, { 'Docker-Content-Digest': digest }).end();
  });
  const progress = (): number[] => [...uploads.values()].map(({ bytes }) => bytes);
  return { service, blobs, progress };
}

/** A chunk: where it does not begin at the end of what is there it is 416, and what came of one that broke off stays. */
function take(
  request: IncomingMessage,
  response: ServerResponse,
  { id, upload }: { readonly id: string; readonly upload: Upload },
): void {
  const start = Number(/^(\d+)-\d+$/.exec(String(request.headers['content-range']))?.[1]);
  if (start !== upload.bytes) return say(request, response, { status: 416, id, ...upload });
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    upload.hash.update(chunk);
    upload.bytes += chunk.length;
  });
  request.on('end', () => say(request, response, { status: 202, id, ...upload }));
}

/** Where to go on, as registries say it: with the name and the scheme by which the client knows them. */
function say(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { status, id, bytes }: { readonly status: number; readonly id: string; readonly bytes: number },
): void {
  const here = `${String(headers['x-forwarded-proto'])}://${String(headers.host)}`;
  const fields = { Location: `${here}/v2/app/blobs/uploads/${id}`, Range: `0-${bytes - 1}` };
  response.writeHead(status, fields).end();
}
