import { mkdir, writeFile } from 'node:fs/promises';
import { needTool } from './find-tool.js';

/** So many requests on one connection that nginx never closes one in the middle of a measurement. */
const KEPT = 'keepalive_requests 100000000; keepalive_timeout 5m;';

/**
 * Starts an nginx with one worker, no access log and the given contents of its `http` block.
 * Resolves with its process id once `port` accepts connections.
 */
export async function startNginx(lab, name, port, http) {
  const prefix = lab.path(name);
  await mkdir(prefix, { mode: 0o755 });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${prefix}/${kind};`)
    .join(' ');
  const config = `
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${prefix}/pid;
error_log stderr error;
events { worker_connections 8192; }
http { access_log off; ${KEPT} ${temporary} ${http} }
`;
  await writeFile(`${prefix}/nginx.conf`, config);
  const nginx = await needTool('nginx');
  const pid = await lab.start(name, nginx, [
    '-p',
    prefix,
    '-e',
    'stderr',
    '-c',
    `${prefix}/nginx.conf`,
  ]);
  await lab.listening(port, name, pid);
  return pid;
}

/** Starts the origin of the request scenarios, which answers everything with "ok", and resolves with its port. */
export async function startHttpOrigin(lab) {
  const port = await lab.port();
  const answer = `server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 "ok"; } }`;
  await startNginx(lab, 'nginx-origin', port, answer);
  return port;
}
