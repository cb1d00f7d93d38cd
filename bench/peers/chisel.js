import { access, constants } from 'node:fs/promises';

/** chisel with a reverse remote, when BENCH_CHISEL names its binary. Its link is SSH inside a plain WebSocket. */
export const chisel = {
  name: 'chisel',
  title: 'chisel (reverse)',
  carries: ['tcp'],
  isTunnel: true,
  isLeftOut: process.env.BENCH_CHISEL === undefined,
  async unavailable() {
    const binary = process.env.BENCH_CHISEL;
    if (binary === undefined) return 'BENCH_CHISEL does not name its binary';
    try {
      await access(binary, constants.X_OK);
      return undefined;
    } catch {
      return `BENCH_CHISEL names "${binary}", which cannot be executed`;
    }
  },
  async start(lab, { tcp = {}, via = async (port) => port }) {
    const binary = process.env.BENCH_CHISEL;
    const serverPort = await lab.port();
    const listen = ['--host', '127.0.0.1', '--port', String(serverPort)];
    const server = await lab.start('chisel-server', binary, ['server', '--reverse', ...listen]);
    await lab.listening(serverPort, 'chisel-server', server);

    const ports = {};
    const remotes = [];
    for (const [name, target] of Object.entries(tcp)) {
      ports[name] = await lab.port();
      remotes.push(`R:127.0.0.1:${ports[name]}:127.0.0.1:${target}`);
    }
    const url = `http://127.0.0.1:${await via(serverPort)}`;
    const client = await lab.start('chisel-client', binary, ['client', url, ...remotes]);
    for (const port of Object.values(ports)) await lab.listening(port, 'chisel-client', client);
    return { ports, roles: { server, client } };
  },
};
