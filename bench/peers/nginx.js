/**
 * nginx as a reverse proxy, in plain HTTP and with TLS towards the user: one worker, connections to the origin kept alive.
 * The TLS one is the fair neighbour of a gateway that always ends TLS; the plain one is the usual yardstick.
 */
import { makeCertificates } from '../harness/certificates.js';
import { missingTools } from '../harness/find-tool.js';
import { startNginx } from '../harness/start-nginx.js';

function proxyTo(origin, listen) {
  return `
upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 100000000; }
server {
  ${listen}
  location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }
}`;
}

export const nginx = {
  name: 'nginx',
  title: 'nginx (http)',
  carries: ['http'],
  isTunnel: false,
  unavailable: () => missingTools('nginx'),
  async start(lab, { http }) {
    const port = await lab.port();
    const listen = `listen 127.0.0.1:${port} backlog=4096;`;
    const pid = await startNginx(lab, 'nginx-proxy', port, proxyTo(http, listen));
    return { ports: {}, http: { url: `http://127.0.0.1:${port}/` }, roles: { nginx: pid } };
  },
};

export const nginxTls = {
  name: 'nginx-tls',
  title: 'nginx (tls)',
  carries: ['http'],
  isTunnel: false,
  unavailable: () => missingTools('nginx', 'openssl'),
  async start(lab, { http }) {
    const port = await lab.port();
    const { cert, key } = await makeCertificates(lab, 'certificates-nginx');
    const listen = `listen 127.0.0.1:${port} ssl backlog=4096; ssl_certificate ${cert}; ssl_certificate_key ${key};
  ssl_protocols TLSv1.2 TLSv1.3;`;
    const pid = await startNginx(lab, 'nginx-tls', port, proxyTo(http, listen));
    return { ports: {}, http: { url: `https://127.0.0.1:${port}/` }, roles: { nginx: pid } };
  },
};
