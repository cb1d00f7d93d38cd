/**
 * nginx with a configuration of its own: static files, and uploads kept as files by PUT below /upload/.
 *
 * One process, everything it writes below the temporary directory.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { freePort } from './port.ts';
import { whenReady } from './ready.ts';

export interface NginxOptions {
  /** Lines put into the `server` block, `location` blocks for example. */
  readonly server?: readonly string[];
}

export interface Nginx {
  readonly port: number;
  /** The service as an ingress rule names it: `http://127.0.0.1:<port>`. */
  readonly service: string;
  /** The directory whose files it serves. It has an index.html from the start. */
  readonly root: string;
  /** Where `PUT /upload/<name>` leaves the body, once it is complete: `<uploads>/<name>`. */
  readonly uploads: string;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

/** Starts nginx on 127.0.0.1. The clean-up stops it. */
export async function startNginx(options: NginxOptions = {}): Promise<Nginx> {
  requireTools('nginx');
  const dir = tempDir('nginx');
  const port = await freePort();
  const [root, uploads] = [join(dir, 'www'), join(dir, 'upload')];
  for (const path of [root, uploads, join(dir, 'tmp')]) mkdirSync(path);
  writeFileSync(join(root, 'index.html'), '<!doctype html><title>nginx</title>\n');
  const configFile = join(dir, 'nginx.conf');
  writeFileSync(configFile, nginxConfig(dir, port, options.server ?? []));
  const args = ['-e', 'stderr', '-p', dir, '-c', configFile];
  const server = startProcess(toolPath('nginx'), args, { name: 'nginx' });
  await whenReady(server, async () => {
    const response = await fetch(`http://127.0.0.1:${port}/index.html`);
    await response.arrayBuffer();
    return response.ok;
  });
  return {
    port,
    service: `http://127.0.0.1:${port}`,
    root,
    uploads,
    log: () => server.stderr,
    stop: async () => void (await server.stop()),
  };
}

function nginxConfig(dir: string, port: number, own: readonly string[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr notice;
worker_rlimit_nofile 20000;
events { worker_connections 8192; }
http {
  access_log off;
  default_type application/octet-stream;
  types { text/html html; text/plain txt; application/json json; }
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_max_body_size 0;
${temporary.map((name) => `  ${name}_temp_path ${dir}/tmp/${name};`).join('\n')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${dir}/www;
    location /upload/ {
      root ${dir};
      dav_methods PUT DELETE;
    }
${own.map((line) => `    ${line}`).join('\n')}
  }
}
`;
}
