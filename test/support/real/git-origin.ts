/**
 * Git over HTTP as servers run it: `git http-backend` by CGI (RFC 3875), a process for each request, behind a plain HTTP server.
 * Everybody may read and push.
 */
import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';

import { mustRun } from '../run.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { startHttpListener } from './http-listener.ts';

export interface GitOrigin {
  /** The service as an ingress rule names it. */
  readonly service: string;
  /** Makes an empty repository, served at `/<name>`; returns its directory. */
  create(name: string): Promise<string>;
  /** The framing of each request that brought a pack: its length, or `chunked`. */
  readonly pushes: string[];
}

/** Starts it on 127.0.0.1. The clean-up stops it. */
export async function startGitOrigin(): Promise<GitOrigin> {
  requireTools('git');
  const root = tempDir('git-origin');
  const pushes: string[] = [];
  const { service } = await startHttpListener((request, response) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (request.url?.endsWith('/git-receive-pack') === true)
      pushes.push(String(length ?? encoding));
    serve(root, request, response);
  });
  return {
    service,
    pushes,
    create: async (name) => {
      const dir = join(root, name);
      const quick = ['-c', 'init.defaultBranch=main'];
      await mustRun(toolPath('git'), [...quick, 'init', '--quiet', '--bare', dir]);
      return dir;
    },
  };
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, headers } = request;
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const child = spawn(toolPath('git'), ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      // Whoever has a name may push.
      REMOTE_USER: 'tester',
      REMOTE_ADDR: '127.0.0.1',
      REQUEST_METHOD: method,
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: headers['content-type'],
      CONTENT_LENGTH: headers['content-length'],
      HTTP_CONTENT_ENCODING: headers['content-encoding'],
      HTTP_GIT_PROTOCOL: headers['git-protocol']?.toString(),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  response.on('close', () => child.kill());
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  const readHead = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    child.stdout.off('data', readHead);
    const lines = head.subarray(0, end).toString('latin1').split('\r\n');
    const fields = lines.map((line) => line.split(': ', 2));
    const status = fields.find(([name]) => name === 'Status')?.[1];
    response.writeHead(Number(status?.slice(0, 3) ?? 200), fields.flat());
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  };
  child.stdout.on('data', readHead);
}
