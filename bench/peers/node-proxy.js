/** A TCP proxy of a few lines in Node (bench/load/node-proxy.js): what the runtime costs before any protocol. */
export const nodeProxy = {
  name: 'node-proxy',
  title: 'Node net.pipe',
  carries: ['tcp'],
  isTunnel: false,
  async start(lab, { tcp = {} }) {
    const proxy = await lab.load('node-proxy');
    const ports = {};
    for (const [name, target] of Object.entries(tcp))
      ports[name] = (await proxy.call('forward', { target })).port;
    return { ports, roles: { proxy: proxy.pid } };
  },
};
