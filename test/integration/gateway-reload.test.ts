/** `gateway reload`, `--roll-back`, SIGHUP and `gateway status` with the real programs, under a connector and users. */
import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { freePort, portOf } from '../support/real/port.ts';

const HOSTNAME = 'web.postern.test';

let gateway: Gateway;
let connector: Connector;
/** Requests that the origin has not answered yet. */
const held: ServerResponse[] = [];

beforeAll(async () => {
  const origin = createServer((asked, response) => {
    if (asked.url === '/held') held.push(response);
    else response.end('answered');
  });
  cleanup(() => origin.close());
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  gateway = await startGateway({ config: { 'grace-period': '120s' } });
  connector = await startConnector({
    gateway,
    ingress: [{ hostname: HOSTNAME, service: `http://127.0.0.1:${portOf(origin)}` }],
  });
  await connector.linksUp();
});

beforeEach(() => gateway.configure());

/** Generations and states, such as `2 active`. */
async function workers(): Promise<string[]> {
  const list: unknown = Reflect.get(Object(await gateway.json('gateway', 'status')), 'workers');
  return Array.isArray(list)
    ? list.map(
        (one: unknown) =>
          `${Reflect.get(Object(one), 'generation')} ${Reflect.get(Object(one), 'state')}`,
      )
    : [];
}

/** Waits until this is the only worker. */
async function becomes(worker: string): Promise<void> {
  const deadlineMs = 30_000;
  await eventually(async () => expect(await workers()).toEqual([worker]), { deadlineMs });
}

async function generation(): Promise<number> {
  return Number(Reflect.get(Object(await gateway.json('gateway', 'status')), 'generation'));
}

/** Has a worker begun to drain, and holds it there with a request. */
async function drainingWorker(): Promise<{ finish(): Promise<number> }> {
  const answered = gateway.fetch(HOSTNAME, '/held');
  await eventually(() => held.length === 1);
  await gateway.reload();
  return {
    finish: async () => {
      held.pop()?.end('late');
      return (await answered).status;
    },
  };
}

/** Asks again and again, each on a connection of its own, until told to stop. Resolves with what was not answered. */
function askOn(): { stop(): Promise<{ failures: string[]; answers: number }> } {
  const over = new AbortController();
  const failures: string[] = [];
  let answers = 0;
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await gateway
        .fetch(HOSTNAME)
        .catch((error: unknown) => ({ status: String(error) }));
      if (status === 200) answers += 1;
      else failures.push(String(status));
    }
  };
  const asking = [ask(), ask()];
  return {
    stop: async () => {
      over.abort();
      await Promise.all(asking);
      return { failures, answers };
    },
  };
}

describe('a reload', () => {
  it('has a new process serve while people go on, and fails nobody', async () => {
    const before = await generation();
    const asking = askOn();
    for (let count = 0; count < 3; count += 1) await gateway.reload();
    gateway.process.kill('SIGHUP');
    await eventually(async () => (await generation()) === before + 4, { deadlineMs: 40_000 });
    const { failures, answers } = await asking.stop();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(20);
    await connector.linksUp();
  });

  it('prints who serves, for people and for programs', async () => {
    const before = await generation();
    const { stdout } = await gateway.cli('gateway', 'reload');
    expect(stdout).toMatch(
      new RegExp(`^Generation ${before + 1} serves \\(version [\\d.]+, process \\d+\\)\\.\\n`),
    );
    expect(await gateway.json('gateway', 'reload')).toEqual({
      generation: before + 2,
      pid: gateway.workers.at(-1),
      version: expect.stringMatching(/^\d/),
      draining: expect.any(Array),
    });
  });

  it('lets the old process finish, and shows what it waits for', async () => {
    const before = await generation();
    const draining = await drainingWorker();
    expect(await workers()).toContain(`${before} draining`);
    await eventually(async () => {
      const { stdout } = await gateway.cli('gateway', 'status');
      expect(stdout).toMatch(
        new RegExp(
          `\\ngeneration ${before}: draining for \\d+s, process \\d+, .*\\n  waits for 1 requests under way; cuts them in (?:\\d+m)?\\d+s\\n`,
        ),
      );
      expect(stdout).toContain(`\ngeneration ${before + 1}: active for `);
    });
    expect(await draining.finish()).toBe(200);
    await becomes(`${before + 1} active`);
  });

  it.each([
    ['a key it does not know', { surprise: true }, 2, /gateway.yaml:\d+: unknown key "surprise"/],
    [
      'a failing policy test',
      {
        applications: [
          {
            name: 'web',
            hostname: HOSTNAME,
            policies: [{ action: 'deny', include: ['everyone'] }],
            tests: [{ identity: { email: 'a@example.com' }, expect: 'allow' }],
          },
        ],
      },
      2,
      /CONFIG_TEST_FAILED/,
    ],
  ])('changes nothing with %s, and prints why', async (_, config, code, why) => {
    const before = await generation();
    gateway.configure(config);
    const result = await gateway.cli('gateway', 'reload');
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(why) });
    // Also with a file that no gateway would start with.
    expect(await workers()).toContain(`${before} active`);
    expect((await gateway.fetch(HOSTNAME)).status).toBe(200);
  });

  it('is refused while another one is under way', async () => {
    const both = await Promise.all([
      gateway.cli('gateway', 'reload'),
      gateway.cli('gateway', 'reload'),
    ]);
    expect(new Set(both.map(({ code }) => code))).toEqual(new Set([0, 1]));
    expect(both.map(({ stderr }) => stderr).join('')).toMatch(/RELOAD_BUSY/);
  });

  it('opens a new TCP port, and closes it when it is gone from the file', async () => {
    const port = await freePort();
    gateway.configure({ tcp: [{ listen: `127.0.0.1:${port}`, hostname: HOSTNAME }] });
    await gateway.reload();
    const socket = connect(port, '127.0.0.1');
    cleanup(() => socket.destroy());
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 200/);
    gateway.configure();
    await gateway.reload();
    await eventually(async () => {
      const late = connect(port, '127.0.0.1');
      await expect(once(late, 'connect')).rejects.toThrow(
        expect.objectContaining({ code: 'ECONNREFUSED' }),
      );
    });
  });

  it('lets TLS sessions resume at the new process', async () => {
    const options = { ...gateway.connectOptions(HOSTNAME), ALPNProtocols: ['http/1.1'] };
    const first = connectTls(options);
    cleanup(() => first.destroy());
    const [session] = await once(first, 'session');
    first.destroy();
    await gateway.reload();
    const second = connectTls({ ...options, session });
    cleanup(() => second.destroy());
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(true);
  });

  it('has one process answer at the metrics port', async () => {
    await gateway.reload();
    const asked = request({ port: gateway.ports.metrics, path: '/ready', agent: false }).end();
    const [{ statusCode }] = await once(asked, 'response');
    expect(statusCode).toBe(200);
  });
});

describe('a roll-back', () => {
  it('has the old process serve again while it drains', async () => {
    const before = await generation();
    const draining = await drainingWorker();
    const { stdout, stderr } = await gateway.cli('gateway', 'reload', '--roll-back');
    expect(stderr).toBe('');
    expect(stdout).toMatch(new RegExp(`^Generation ${before} serves `));
    expect(await draining.finish()).toBe(200);
    await becomes(`${before} active`);
    await connector.linksUp();
    expect((await gateway.fetch(HOSTNAME)).status).toBe(200);
    expect(await gateway.cli('gateway', 'reload', '--roll-back')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RELOAD_ROLL_BACK'),
    });
  });
});
