/** No peer at all: what the load generators and the origin can do. A peer near this figure is not what limits it. */
export const direct = {
  name: 'direct',
  title: 'direct',
  carries: ['tcp', 'http'],
  isTunnel: true,
  async start(_lab, { tcp = {}, http, via = async (port) => port }) {
    const ports = {};
    for (const [name, port] of Object.entries(tcp)) ports[name] = await via(port);
    return { ports, http: http && { url: `http://127.0.0.1:${http}/` }, roles: {} };
  },
};
