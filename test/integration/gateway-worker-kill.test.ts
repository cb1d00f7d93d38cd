/** What `kill -9`, a hang and a broken disk do to a gateway: its ports stay, and somebody serves again within seconds. */
import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { sendSignal } from '../support/processes.ts';
import { run } from '../support/run.ts';
import { say } from '../support/say.ts';
import { cleanup } from '../support/cleanup.ts';

/** A start takes less than a second, and many on a machine that is busy. */
const LONG_MS = 40_000;

const HOSTNAME = 'web.postern.test';

let gateway: Gateway;
let connector: Connector;

beforeAll(async () => {
  gateway = await startGateway();
  connector = await startConnector({
    gateway,
    ingress: [{ hostname: HOSTNAME, service: 'http_status:204' }],
  });
  await connector.linksUp();
});

async function serves(): Promise<void> {
  await eventually(async () => (await gateway.fetch(HOSTNAME)).status === 204, {
    deadlineMs: LONG_MS,
  });
}

/** Another worker than this one serves. */
async function replaced(pid: number | undefined): Promise<void> {
  await eventually(() => !gateway.workers.includes(pid ?? 0), { deadlineMs: LONG_MS });
  await serves();
}

describe('kill -9 of the only worker', () => {
  it('refuses no connection: they wait for the next one', async () => {
    const started = performance.now();
    const waits: number[] = [];
    const failures: string[] = [];
    const over = new AbortController();
    const visit = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const since = performance.now();
        const socket = connect(gateway.ports.https, '127.0.0.1');
        await once(socket, 'connect').catch((error: unknown) => failures.push(String(error)));
        socket.destroy();
        waits.push(performance.now() - since);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const visiting = visit();
    const [pid] = gateway.workers;
    gateway.killWorker();
    const asked = gateway.fetch(HOSTNAME);
    await replaced(pid);
    const seconds = (performance.now() - started) / 1000;
    over.abort();
    await visiting;
    expect(failures).toEqual([]);
    // It came before the connector was back, and waited for it.
    expect((await asked).status).toBe(204);
    say(`served again after ${seconds.toFixed(2)} s, ${waits.length} connections made meanwhile`);
    await connector.linksUp();
  });

  it('while the file is broken, has the last configuration that worked serve', async () => {
    const [pid] = gateway.workers;
    gateway.configure({ surprise: true });
    gateway.killWorker();
    await replaced(pid);
    const levels = gateway.log.filter(({ component }) => component === 'supervisor');
    expect(levels.map(({ msg }) => msg)).toContain(
      'the gateway went back to what worked; repair what is on disk',
    );
    const mistake = expect.objectContaining({ errCode: 'CONFIG_UNKNOWN_KEY', level: 'error' });
    expect(levels).toContainEqual(mistake);
    gateway.configure();
    await gateway.reload();
    await serves();
  });
});

it('a worker that hangs is replaced', async () => {
  const [pid = 0] = gateway.workers;
  sendSignal(pid, 'SIGSTOP');
  await replaced(pid);
});

it('a worker that is sent SIGTERM hands over to another one', async () => {
  const [pid = 0] = gateway.workers;
  sendSignal(pid, 'SIGTERM');
  await replaced(pid);
});

it('a second gateway is kept away from the same data directory, also while no worker lives', async () => {
  const [pid] = gateway.workers;
  gateway.killWorker();
  const second = await gateway.cli('gateway', 'run', '--listen-https', '127.0.0.1:0');
  expect(second).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/already running with this data-dir.*CONFIG_PORT_IN_USE/),
  });
  await replaced(pid);
});

it('a worker cannot be run by hand', async () => {
  const result = await gateway.cli('gateway', 'worker');
  expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('only "gateway run"') });
});

describe('kill -9 of the supervisor alone', () => {
  it('has the worker close its ports and drain, and the next gateway start beside it', async () => {
    const pids = gateway.workers;
    cleanup(() => pids.forEach((pid) => sendSignal(pid, 'SIGKILL')));
    const lost = gateway.process;
    lost.kill('SIGKILL');
    await lost.exited;
    await gateway.start();
    await serves();
    await connector.linksUp();
    await eventually(
      async () => {
        const { stdout } = await run('ps', ['-o', 'stat=', '-p', pids.join(',')]);
        expect(stdout.replaceAll(/Z\S*|\s/g, '')).toBe('');
      },
      { deadlineMs: LONG_MS },
    );
  });
});
