/**
 * Postern as an operator runs it: one gateway process and one connector process, started by the commands of docs/operations.md,
 * links and HTTPS over TLS with a P-256 certificate, every limit at its default.
 *
 * TCP ports take their users without TLS, as those of the peers do; what crosses the link is encrypted all the same.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../harness/certificates.js';
import { missingTools } from '../harness/find-tool.js';

const PROGRAM = fileURLToPath(new URL('../../bin/postern.js', import.meta.url));
const BUILT = new URL('../../dist/bundle/postern.js', import.meta.url);

const TUNNEL = 'bench';

/** The gateway refuses a Host that is not the name TLS was asked for, so it must be a name that resolves everywhere. */
const HTTP_HOSTNAME = 'localhost';
const tcpHostname = (name) => `${name}.bench.test`;

export const postern = {
  name: 'postern',
  title: 'Postern (tls)',
  carries: ['tcp', 'http', 'http2'],
  isTunnel: true,
  async unavailable() {
    try {
      await access(BUILT);
    } catch {
      return 'it is not built (npm run build)';
    }
    return missingTools('openssl');
  },
  async start(lab, request) {
    const { ports, http, ca, roles } = await startTunnel(lab, request, request.folder ?? '');
    return { ports, http, ca, roles };
  },
};

/** The same, through `postern access tcp`: the client joins a local port to the service, and encrypts its own link too. */
export const posternClient = {
  ...postern,
  name: 'postern-client',
  title: 'Postern (access tcp)',
  carries: ['tcp'],
  onlyIn: ['client-relay', 'recover'],
  async start(lab, request) {
    const { roles, httpsPort, ca, control } = await startTunnel(lab, request, 'relay-');
    const ports = {};
    for (const name of Object.keys(request.tcp)) ports[name] = await lab.port();
    const file = lab.path('client.yaml');
    const forwards = Object.entries(ports).map(([name, port]) => ({
      hostname: tcpHostname(name),
      listen: `127.0.0.1:${port}`,
    }));
    await writeFile(
      file,
      JSON.stringify({ gateway: `https://localhost:${httpsPort}`, ca, forwards }),
    );
    const run = command('access', 'tcp', '--config', file);
    const client = await lab.start('client', ...run, { env: { POSTERN_HOME: lab.path('home') } });
    for (const port of Object.values(ports)) await lab.listening(port, 'client', client);
    return { ports, roles: { ...roles, client }, control };
  },
};

/** A gateway, and a connector at it; `prefix` keeps their files apart from those of others in the lab. */
async function startTunnel(lab, request, prefix) {
  const folder = `${prefix}gateway`;
  const { gateway, file, httpsPort, ports, ca, metrics } = await startGateway(lab, folder, request);
  const hostnames = Object.keys(request.tcp ?? {}).map(tcpHostname);
  if (request.http !== undefined) hostnames.push(HTTP_HOSTNAME);
  const token = await makeTunnel(lab, file, TUNNEL, hostnames);
  const connector = await startConnector(lab, request, { httpsPort, ca, token, prefix });
  const http = request.http && { url: `https://${HTTP_HOSTNAME}:${httpsPort}/` };
  const control = new Control(lab, { folder, file, metrics, gateway, connector });
  return { ports, http, httpsPort, ca, roles: { gateway, connector }, control };
}

/** What is done to a running Postern, as its operator, or bad luck, does it. */
class Control {
  #lab;
  #running;

  constructor(lab, running) {
    this.#lab = lab;
    this.#running = running;
  }

  /** Process id of the supervisor that runs now. */
  supervisor() {
    return this.#running.gateway;
  }

  async reloadGateway() {
    await this.#ask('gateway', 'reload', '--config', this.#running.file);
  }

  async killWorker() {
    const status = await this.#ask(
      'gateway',
      'status',
      '-o',
      'json',
      '--config',
      this.#running.file,
    );
    const { pid } = JSON.parse(status).workers.find(({ state }) => state === 'active');
    process.kill(pid, 'SIGKILL');
  }

  async restartGateway() {
    process.kill(this.#running.gateway, 'SIGKILL');
    const { folder, file, metrics } = this.#running;
    const run = command('gateway', 'run', '--config', file);
    this.#running.gateway = await this.#lab.start(folder, ...run);
    await this.#lab.ready(() => isReady(metrics), folder, this.#running.gateway, 'become ready');
  }

  async reloadConnector() {
    await this.#ask('tunnel', 'reload', '--pid', String(this.#running.connector));
  }

  #ask(...args) {
    return this.#lab.run('postern', ...command(...args));
  }
}

/** Starts a gateway for the request's ports, in a folder of the lab, and resolves once it is ready. */
export async function startGateway(lab, folder, { tcp = {} }) {
  const dir = lab.path(folder);
  await mkdir(dir);
  const { cert, key, ca } = await makeCertificates(lab, `certificates-${folder}`);
  const httpsPort = await lab.port();
  const metrics = `127.0.0.1:${await lab.port()}`;
  const ports = {};
  for (const name of Object.keys(tcp)) ports[name] = await lab.port();

  const config = {
    domain: 'bench.test',
    'data-dir': './data',
    listen: { https: `127.0.0.1:${httpsPort}`, metrics },
    tls: { cert, key },
    'grace-period': '1s',
    'default-policy': 'public',
    tcp: Object.entries(ports).map(([name, port]) => ({
      listen: `127.0.0.1:${port}`,
      hostname: tcpHostname(name),
    })),
  };
  const file = `${dir}/gateway.yaml`;
  await writeFile(file, JSON.stringify(config, undefined, 2)); // JSON is YAML too.
  const gateway = await lab.start(folder, ...command('gateway', 'run', '--config', file));
  await lab.ready(() => isReady(metrics), folder, gateway, 'become ready');
  return { gateway, file, httpsPort, ports, ca, metrics };
}

/** Creates a tunnel at the running gateway, with a route for each hostname, and resolves with its token. */
export async function makeTunnel(lab, file, tunnel, hostnames) {
  const run = (...args) => lab.run('postern', ...command('tunnel', ...args, '--config', file));
  const { token } = JSON.parse(await run('create', tunnel, '-o', 'json'));
  for (const hostname of hostnames) await run('route', 'add', tunnel, hostname);
  return token;
}

async function startConnector(
  lab,
  { tcp = {}, http, links, via },
  { httpsPort, ca, token, prefix },
) {
  const metrics = `127.0.0.1:${await lab.port()}`;
  const ingress = Object.entries(tcp).map(([name, port]) => ({
    hostname: tcpHostname(name),
    service: `tcp://127.0.0.1:${port}`,
  }));
  if (http !== undefined)
    ingress.push({ hostname: HTTP_HOSTNAME, service: `http://127.0.0.1:${http}` });
  const config = {
    tunnel: TUNNEL,
    gateway: `https://127.0.0.1:${(await via?.(httpsPort)) ?? httpsPort}`,
    ca,
    metrics,
    ...(links === undefined ? {} : { 'ha-connections': links }),
    ingress: [...ingress, { service: 'http_status:404' }],
  };
  const tokenFile = lab.path(`${prefix}token`);
  await writeFile(tokenFile, token, { mode: 0o600 });
  const file = lab.path(`${prefix}config.yml`);
  await writeFile(file, JSON.stringify(config, undefined, 2));
  const run = command('tunnel', 'run', '--config', file, '--token-file', tokenFile);
  const connector = await lab.start(`${prefix}connector`, ...run);
  await lab.ready(() => isReady(metrics), `${prefix}connector`, connector, 'register');
  return connector;
}

function command(...args) {
  return [process.execPath, [PROGRAM, ...args]];
}

async function isReady(metrics) {
  try {
    const response = await fetch(`http://${metrics}/ready`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
