/**
 * nginx as a reverse proxy with one worker: as the manual has it, with connections to the origin kept alive, and with TLS towards
 * the user as well. The plain one is the usual yardstick; the last is the fair neighbour of a gateway that always ends TLS.
 */
import { makeCertificates } from '../harness/certificates.js';
import { missingTools } from '../harness/find-tool.js';
import { startNginx } from '../harness/start-nginx.js';

/** One line, and nginx makes a connection to the origin for each request. */
function proxyTo(origin, listen) {
  return `server { ${listen} location / { proxy_pass http://127.0.0.1:${origin}; } }`;
}

function proxyKept(origin, listen) {
  return `
upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 100000000; }
server {
  ${listen}
  location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }
}`;
}

function plainNginx(name, title, configure) {
  return {
    name,
    title,
    carries: ['http'],
    isTunnel: false,
    unavailable: () => missingTools('nginx'),
    async start(lab, { http }) {
      const port = await lab.port();
      const listen = `listen 127.0.0.1:${port} backlog=4096;`;
      const pid = await startNginx(lab, name, port, configure(http, listen));
      return { ports: {}, http: { url: `http://127.0.0.1:${port}/` }, roles: { nginx: pid } };
    },
  };
}

export const nginx = plainNginx('nginx', 'nginx', proxyTo);

export const nginxKept = plainNginx('nginx-kept', 'nginx (kept alive)', proxyKept);

/** nginx that ends TLS. `protocols` is what the address listens for beside it. */
function tlsNginx({ name, title, carries, protocols = '' }, configure) {
  return {
    name,
    title,
    carries,
    isTunnel: false,
    unavailable: () => missingTools('nginx', 'openssl'),
    async start(lab, { http }) {
      const port = await lab.port();
      const { cert, key } = await makeCertificates(lab, `certificates-${name}`);
      const listen = `listen 127.0.0.1:${port} ssl ${protocols} backlog=4096;
  ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;`;
      const pid = await startNginx(lab, name, port, configure(http, listen));
      return { ports: {}, http: { url: `https://127.0.0.1:${port}/` }, roles: { nginx: pid } };
    },
  };
}

export const nginxTls = tlsNginx(
  { name: 'nginx-tls', title: 'nginx (kept alive, tls)', carries: ['http'] },
  proxyKept,
);

export const nginxHttp2 = tlsNginx(
  { name: 'nginx-http2', title: 'nginx (tls)', carries: ['http2'], protocols: 'http2' },
  proxyTo,
);

export const nginxHttp2Kept = tlsNginx(
  {
    name: 'nginx-http2-kept',
    title: 'nginx (kept alive, tls)',
    carries: ['http2'],
    protocols: 'http2',
  },
  proxyKept,
);
