import { once } from 'node:events';
import { createServer } from 'node:http';
import { PassThrough } from 'node:stream';

import { expect, it } from '@jest/globals';

import { CapturedOutput } from '../../support/captured-output.ts';
import { cleanup } from '../../support/cleanup.ts';
import { guardLinks } from '../../support/disconnect-guard.ts';
import { logRecords } from '../../support/json-log.ts';
import { isReady, metricBecomes, readMetric } from '../../support/ops-client.ts';
import { startProcess } from '../../support/processes.ts';
import { freePort, portOf } from '../../support/real/port.ts';

const METRICS = `# HELP streams Streams
# TYPE streams gauge
streams{tunnel="a",kind="http"} 3
streams{tunnel="a",kind="tcp"} 4
streams{tunnel="b, \\"c\\"",kind="tcp"} 10
streams_total 99
up 1
`;

async function startOps(status: () => number): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') response.end(METRICS);
    else response.writeHead(status()).end();
  }).listen(0, '127.0.0.1');
  cleanup(() => server.close());
  await once(server, 'listening');
  return portOf(server);
}

it('readMetric() sums the series that have the labels', async () => {
  const port = await startOps(() => 200);
  expect(await readMetric(port, 'streams')).toBe(17);
  expect(await readMetric(port, 'streams', { tunnel: 'a' })).toBe(7);
  expect(await readMetric(port, 'streams', { kind: 'tcp', tunnel: 'a' })).toBe(4);
  expect(await readMetric(port, 'streams', { tunnel: 'b, "c"' })).toBe(10);
  expect(await readMetric(port, 'streams', { tunnel: 'none' })).toBe(0);
  await metricBecomes(port, 'up', 1);
  await expect(metricBecomes(port, 'up', 2, 500)).rejects.toThrow('up is 1');
});

it('isReady() is true for 200 only, and false where nothing listens', async () => {
  let status = 503;
  const port = await startOps(() => status);
  expect(await isReady(port)).toBe(false);
  status = 200;
  expect(await isReady(port)).toBe(true);
  expect(await isReady(await freePort())).toBe(false);
});

it('logRecords() finds the JSON lines of stderr among others', async () => {
  const output = new CapturedOutput();
  const stderr = new PassThrough();
  output.capture(stderr, 'stderr');
  stderr.end('{"msg":"one","n":1}\nplain words\n{broken\n{"msg":"two"}');
  await once(stderr, 'end');
  expect(logRecords(output)).toEqual([{ msg: 'one', n: 1 }, { msg: 'two' }]);
});

it('the disconnect guard counts what is announced and fails on the rest', async () => {
  const program = `process.stdin.on('data', (line) => process.stderr.write(line));`;
  const connector = startProcess(process.execPath, ['-e', program], { name: 'connector' });
  const log = async (msg: string): Promise<void> => {
    const line = JSON.stringify({ level: 'warn', msg, at: Math.random() });
    connector.stdin.write(`${line}\n`);
    await connector.waitForLine(new RegExp(line.replaceAll(/[{}.]/g, '\\$&')));
  };
  const guard = guardLinks({ process: connector });
  await log('link registered');
  guard.check();
  expect(await guard.expectLosses(() => log('link lost'))).toBe(1);
  expect(await guard.expectLosses(() => log('link registered'))).toBe(0);
  guard.check();
  await log('link lost');
  await log('cannot connect to the gateway');
  expect(() => guard.check()).toThrow(/unexpectedly:\n.*link lost.*\n.*cannot connect/);
  guard.check();
});
