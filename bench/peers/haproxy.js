import { writeFile } from 'node:fs/promises';
import { missingTools, needTool } from '../harness/find-tool.js';

const HEAD = `
global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 10s
  timeout client 5m
  timeout server 5m
`;

/** HAProxy as a TCP proxy: one process, one thread, nothing but defaults otherwise. */
export const haproxy = {
  name: 'haproxy',
  title: 'HAProxy (tcp)',
  carries: ['tcp'],
  isTunnel: false,
  unavailable: () => missingTools('haproxy'),
  async start(lab, { tcp = {} }) {
    const ports = {};
    let config = HEAD;
    for (const [name, target] of Object.entries(tcp)) {
      ports[name] = await lab.port();
      config += `listen ${name}\n  bind 127.0.0.1:${ports[name]}\n  server origin 127.0.0.1:${target}\n`;
    }
    const file = lab.path('haproxy.cfg');
    await writeFile(file, config);
    const pid = await lab.start('haproxy', await needTool('haproxy'), ['-db', '-f', file]);
    for (const port of Object.values(ports)) await lab.listening(port, 'haproxy', pid);
    return { ports, roles: { haproxy: pid } };
  },
};
