/**
 * How gateway and connector stop: what is under way ends by itself, nothing new is taken, what is left after the grace
 * period is cut and counted, and a second signal ends at once.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import type { LogRecord } from '../support/json-log.ts';
import {
  startDownload,
  startLiveStream,
  startWebSocket,
  type LiveStream,
} from '../support/live-traffic.ts';
import { isReady } from '../support/ops-client.ts';
import type { ProcessExit, TestProcess } from '../support/processes.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
/** Longer than any test: an end that it does not reach must come from elsewhere. */
const LONG = '/drip?n=60000&ms=10';
/** WebSocket close code that asks programs to connect again. */
const SERVICE_RESTART = 1012;

let web: HttpOrigin;
let raw: HandingOrigin;
let gateway: Gateway;
let connector: Connector;

beforeAll(async () => {
  [web, raw] = await Promise.all([startHttpOrigin(), startHandingOrigin()]);
});

/** Starts both anew with this grace period. */
async function start(gracePeriod: string): Promise<void> {
  const config = { 'grace-period': gracePeriod, 'resume-timeout': '5s' };
  gateway = await startGateway({ tcp: [RAW], config });
  connector = await startConnector({
    gateway,
    ingress: [
      { hostname: WEB, service: web.service },
      { hostname: RAW, service: raw.service },
    ],
    config: { 'grace-period': gracePeriod },
  });
  await connector.linksUp();
}

const liveStream = (): Promise<LiveStream> => startLiveStream(gateway.tcpPort(RAW), raw);

describe('a gateway that is told to stop', () => {
  it('finishes what is under way, takes nothing new and exits with 0', async () => {
    await start('20s');
    const download = await startDownload(gateway, WEB, '/drip?n=300&ms=10');
    const stream = await liveStream();
    const beforeSignal = stream.moved();

    gateway.process.kill('SIGTERM');
    await gateway.process.waitForLine(/"msg":"draining"/);
    expect(download.bytes()).toBeLessThan(300);
    expect(await refusal(gateway.ports.https)).toBe('ECONNREFUSED');
    expect(await refusal(gateway.ports.http)).toBe('ECONNREFUSED');
    expect(await refusal(gateway.tcpPort(RAW))).toBe('ECONNREFUSED');
    expect(await isReady(gateway.ports.metrics)).toBe(false);

    expect((await download.end).how).toBe('whole');
    expect(download.bytes()).toBe(300);
    await eventually(() => stream.moved() > beforeSignal);
    expect(gateway.process.exit).toBeUndefined();
    stream.client.end();
    stream.server.end();
    expect((await Promise.all([stream.clientEnd, stream.serverEnd])).map(({ how }) => how)).toEqual(
      ['fin', 'fin'],
    );

    expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
    expect(drained(gateway.log)).toMatchObject({ level: 'info', msg: 'drained' });
    expect(connector.process.exit).toBeUndefined();
  });

  it('cuts and counts what is left after the grace period, and tells WebSockets to come back', async () => {
    await start('1s');
    const download = await startDownload(gateway, WEB, LONG);
    const stream = await liveStream();
    const webSocket = await startWebSocket(gateway, WEB);
    const { exit, tookMs } = await timed(gateway.process, 'SIGTERM');
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeGreaterThan(990);
    expect(tookMs).toBeLessThan(20_000);
    expect((await download.end).how).toBe('broken');
    expect((await stream.clientEnd).how).toBe('reset');
    expect((await webSocket.end).how).toBe(SERVICE_RESTART);
    expect(drained(gateway.log)).toMatchObject({ level: 'warn', count: 3 });
    expect(drained(gateway.log)?.['msg']).toMatch(/what was left after the grace period was cut/);
  });
});

describe('a connector that is told to stop', () => {
  it('finishes what is under way, takes nothing new and exits with 0', async () => {
    await start('20s');
    // Longer than a gateway that has just started waits for connectors.
    const download = await startDownload(gateway, WEB, '/drip?n=700&ms=10');
    const stream = await liveStream();

    connector.process.kill('SIGTERM');
    await connector.process.waitForLine(/"msg":"draining"/);
    await eventually(async () => (await gateway.fetch(WEB)).status === 503, { deadlineMs: 7_000 });
    expect(download.bytes()).toBeLessThan(700);
    expect(await isReady(connector.metricsPort)).toBe(false);
    const late = connect(gateway.tcpPort(RAW), '127.0.0.1');
    await expect(once(late.resume(), 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });

    expect((await download.end).how).toBe('whole');
    expect(connector.process.exit).toBeUndefined();
    stream.server.end();
    stream.client.end();
    expect((await Promise.all([stream.clientEnd, stream.serverEnd])).map(({ how }) => how)).toEqual(
      ['fin', 'fin'],
    );
    expect(await connector.process.exited).toEqual({ code: 0, signal: null });
    expect(drained(connector.log)).toMatchObject({ level: 'info', msg: 'drained' });
  });

  it('cuts and counts what is left after the grace period', async () => {
    await start('1s');
    const download = await startDownload(gateway, WEB, LONG);
    const stream = await liveStream();
    const { exit, tookMs } = await timed(connector.process, 'SIGTERM');
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeGreaterThan(990);
    expect(tookMs).toBeLessThan(20_000);
    const ends = await Promise.all([stream.clientEnd, stream.serverEnd, download.end]);
    expect(ends.map(({ how }) => how)).toEqual(['reset', 'reset', 'broken']);
    expect(drained(connector.log)).toMatchObject({ level: 'warn', count: 2 });
  });
});

it.each(['gateway', 'connector'] as const)('the %s ends at once when told again', async (which) => {
  await start('60s');
  const stream = await liveStream();
  const { process } = which === 'gateway' ? gateway : connector;
  process.kill('SIGTERM');
  await process.waitForLine(/"msg":"draining"/);
  const { exit, tookMs } = await timed(process, 'SIGTERM');
  expect(exit).toEqual({ code: 1, signal: null });
  expect(tookMs).toBeLessThan(20_000);
  expect(process.stderr).toContain('"msg":"stopping at once"');
  const ends = await Promise.all([stream.clientEnd, stream.serverEnd]);
  expect(ends.map(({ how }) => how)).toEqual(['reset', 'reset']);
});

/** Sends a signal and waits for the end. */
async function timed(
  process: TestProcess,
  signal: NodeJS.Signals,
): Promise<{ exit: ProcessExit; tookMs: number }> {
  const sentAt = performance.now();
  process.kill(signal);
  const exit = await process.exited;
  return { exit, tookMs: performance.now() - sentAt };
}

/** The code with which a connection is refused. */
async function refusal(port: number): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return 'accepted';
  } catch (error) {
    return String(Reflect.get(Object(error), 'code'));
  } finally {
    socket.destroy();
  }
}

/** The line that says how the drain went. */
function drained(log: readonly LogRecord[]): LogRecord | undefined {
  return log.find(({ msg }) => String(msg).startsWith('drained'));
}
