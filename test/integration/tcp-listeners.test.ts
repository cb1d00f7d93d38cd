/**
 * What is said of TCP listeners: ranges of ports, who may connect, how many, and for how long; and that a gateway which runs
 * goes by what is written anew.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { freePort } from '../support/real/port.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { startEcho } from '../support/real/tcp-origin.ts';

const RANGE = 'range.postern.test';
const SINGLE = 'single.postern.test';

let gateway: Gateway;
let ports: { readonly range: number; readonly rules: number; readonly pair: number };

/** Ports beside each other that nothing listens on. */
async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const first = await freePort();
    const next = [];
    while (next.length < count - 1) next.push(await freePort());
    if (next.every((port, index) => port === first + index + 1)) return first;
  }
  throw new Error(`Cannot find ${count} free ports beside each other`);
}

/** Each says which it is, and then echoes. */
async function startPorts(first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port += 1) {
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(`origin ${port - first}\n`);
      socket.pipe(socket);
    });
    await once(server.listen(port, '127.0.0.1'), 'listening');
    cleanup(() => server.close());
  }
}

function dial(port: number, from = '127.0.0.1'): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}

async function greeting(socket: Socket): Promise<string> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

/** A connection over which something has come back. */
async function carried(port: number, from?: string): Promise<Socket> {
  const socket = dial(port, from);
  socket.write('x');
  expect(await greeting(socket)).toBe('x');
  return socket;
}

/** Why connections were refused, the last one last. */
function refusals(): unknown[] {
  return gateway.log
    .filter(({ msg }) => msg === 'TCP connection refused')
    .map((record) => record['errCode']);
}

async function whenRefused(port: number, code: string, from?: string): Promise<void> {
  const before = refusals().length;
  await whenReset(dial(port, from));
  await eventually(() => refusals().length > before);
  expect(refusals().slice(before)).toEqual([code]);
}

/** Has the gateway go by other rules for the second listener, and waits until it does. */
async function writeRules(rules: Record<string, unknown>): Promise<void> {
  const done = (): number =>
    gateway.log.filter(({ msg }) => /TCP listeners/.test(String(msg))).length;
  const before = done();
  gateway.configure({ tcp: listeners(rules) });
  await eventually(() => done() > before);
}

function listeners(rules: Record<string, unknown>): Record<string, unknown>[] {
  return [
    { listen: `127.0.0.1:${ports.range}-${ports.range + 3}`, hostname: RANGE },
    { listen: `127.0.0.1:${ports.rules}`, hostname: SINGLE, ...rules },
    { listen: `127.0.0.1:${ports.pair}-${ports.pair + 1}`, hostname: SINGLE },
  ];
}

beforeAll(async () => {
  const origin = await freePorts(3);
  await startPorts(origin, 3);
  const echo = await startEcho();
  ports = { range: await freePorts(4), rules: await freePort(), pair: await freePorts(2) };
  ({ gateway } = await startPostern({
    config: { tcp: listeners({ deny: ['127.0.0.66'] }) },
    ingress: [
      { hostname: RANGE, service: `tcp://127.0.0.1:${origin}-${origin + 2}` },
      { hostname: SINGLE, service: echo.service },
    ],
  }));
});

describe('a range of ports', () => {
  it('reaches the range of the service, port by port', async () => {
    const greetings = [0, 1, 2].map((offset) => greeting(dial(ports.range + offset)));
    expect(await Promise.all(greetings)).toEqual(['origin 0\n', 'origin 1\n', 'origin 2\n']);
  });

  it('refuses on a port that the service does not have', async () => {
    await whenRefused(ports.range + 3, 'ROUTE_NO_RULE');
    const last = gateway.log.findLast(({ msg }) => msg === 'TCP connection refused');
    expect(last?.['err']).toMatchObject({
      message: `Cannot reach "${RANGE}": its service has 3 ports, and this is port 4 of the listener`,
    });
  });

  it('reaches a service of one port with its first', async () => {
    await carried(ports.pair);
    await whenRefused(ports.pair + 1, 'ROUTE_NO_RULE');
    const last = gateway.log.findLast(({ msg }) => msg === 'TCP connection refused');
    expect(JSON.stringify(last)).toContain('has one port, and this is port 2 of the listener');
  });

  it('is one address of the gateway', () => {
    const ready = gateway.log.find(({ msg }) => msg === 'gateway ready');
    expect(ready?.['addresses']).toMatchObject({
      'tcp[0]': `127.0.0.1:${ports.range}-${ports.range + 3}`,
      'tcp[1]': `127.0.0.1:${ports.rules}`,
    });
  });
});

describe('the rules of a listener', () => {
  it('refuse who is in deny, from the start', async () => {
    await whenRefused(ports.rules, 'TCP_DENIED', '127.0.0.66');
    await carried(ports.rules);
  });

  it('change while it is open, and leave alone what is open', async () => {
    const old = await carried(ports.rules);
    await writeRules({ allow: ['127.0.0.64/26'], deny: ['127.0.0.66'] });
    await whenRefused(ports.rules, 'TCP_DENIED');
    await whenRefused(ports.rules, 'TCP_DENIED', '127.0.0.66');
    await carried(ports.rules, '127.0.0.67');
    old.write('y');
    expect(await greeting(old)).toBe('y');
  });

  it('say how many connections there may be, and how many of one address', async () => {
    await writeRules({ 'max-connections': 5, 'max-connections-per-address': 2 });
    await gatewayIsEmpty();
    const [first] = [await carried(ports.rules), await carried(ports.rules)];
    await whenRefused(ports.rules, 'TCP_LIMIT');
    for (const from of ['127.0.0.2', '127.0.0.2', '127.0.0.3']) await carried(ports.rules, from);
    await whenRefused(ports.rules, 'TCP_LIMIT', '127.0.0.3');
    first.destroy();
    await eventually(async () => (await connectionCount()) === 4);
    await carried(ports.rules, '127.0.0.3');
  });

  it('say how long one may carry nothing', async () => {
    await writeRules({ 'idle-timeout': '400ms' });
    const socket = await carried(ports.rules);
    const since = performance.now();
    await whenReset(socket);
    expect(performance.now() - since).toBeGreaterThan(350);
    await eventually(() => {
      const ended = gateway.log.findLast(({ msg }) => msg === 'TCP stream ended');
      expect(ended?.['errCode']).toBe('TCP_IDLE');
    });
  });

  it('are refused with the whole file where they make no sense', async () => {
    const refused = (): number =>
      gateway.log.filter(({ msg }) => /configuration is refused/.test(String(msg))).length;
    const before = refused();
    gateway.configure({ tcp: listeners({ allow: ['nowhere'] }) });
    await eventually(() => refused() > before);
    await carried(ports.rules);
  });
});

it('a hand-over takes a range along, and closes ports that are no longer wanted', async () => {
  gateway.configure({
    tcp: [{ listen: `127.0.0.1:${ports.range + 1}-${ports.range + 2}`, hostname: RANGE }],
  });
  const old = dial(ports.range);
  expect(await greeting(old)).toBe('origin 0\n');
  await gateway.reload();
  expect(await greeting(dial(ports.range + 1))).toBe('origin 0\n');
  expect(await greeting(dial(ports.range + 2))).toBe('origin 1\n');
  old.write('still');
  expect(await greeting(old)).toBe('still');
  await eventually(async () => {
    const [error] = await once(connect(ports.range, '127.0.0.1'), 'error').catch((e) => [e]);
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

async function connectionCount(): Promise<unknown> {
  return Reflect.get(Object(await gateway.json('gateway', 'status')), 'tcpConnections');
}

async function gatewayIsEmpty(): Promise<void> {
  await eventually(async () => (await connectionCount()) === 0);
}
