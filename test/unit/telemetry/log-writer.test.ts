/** Lines on their way out: together when there are many, none lost while somebody reads, and never waiting for a reader. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { LogWriter } from '../../../src/telemetry/log-writer.ts';
import { cleanup } from '../../support/cleanup.ts';
import { run } from '../../support/run.ts';

/** A pipe with so much room. */
class Pipe {
  readonly writes: string[] = [];
  room = Infinity;

  readonly writeSome = (bytes: Buffer): number => {
    const taken = bytes.subarray(0, this.room);
    this.room -= taken.length;
    if (taken.length > 0) this.writes.push(taken.toString('latin1'));
    return taken.length;
  };

  get text(): string {
    return this.writes.join('');
  }
}

describe('LogWriter', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['performance'] }));
  afterEach(() => void jest.useRealTimers());

  it('writes the lines of one turn of the event loop together', () => {
    const pipe = new Pipe();
    const writer = new LogWriter(pipe.writeSome);
    for (const line of ['1\n', '2\n', '3\n']) writer.write(line);
    expect(pipe.writes).toEqual([]);
    jest.runAllTimers();
    expect(pipe.writes).toEqual(['1\n2\n3\n']);
    writer.write('4\n');
    jest.runAllTimers();
    expect(pipe.writes).toEqual(['1\n2\n3\n', '4\n']);
  });

  it('keeps what a full pipe does not take, and its order', () => {
    const pipe = new Pipe();
    pipe.room = 3;
    const writer = new LogWriter(pipe.writeSome);
    for (const line of ['first\n', 'second\n']) writer.write(line);
    jest.advanceTimersByTime(0);
    expect(pipe.text).toBe('fir');
    pipe.room = 5;
    jest.advanceTimersByTime(2);
    expect(pipe.text).toBe('first\nse');
    pipe.room = Infinity;
    jest.advanceTimersByTime(2);
    expect(pipe.text).toBe('first\nsecond\n');
  });

  it('drops and counts what is more than 4 MiB while nobody reads', () => {
    const pipe = new Pipe();
    pipe.room = 0;
    const writer = new LogWriter(pipe.writeSome);
    const line = `${'x'.repeat(1_023)}\n`;
    for (let i = 0; i < 6_000; i += 1) writer.write(line);
    pipe.room = Infinity;
    jest.advanceTimersByTime(2);
    const lines = pipe.text.trimEnd().split('\n');
    const lost = JSON.parse(lines.at(-1) ?? '');
    expect(lost).toMatchObject({ level: 'warn', msg: 'log lines lost: nobody read stderr' });
    expect(lines.length - 1 + lost.count).toBe(6_000);
    expect(lost.count).toBeGreaterThan(1_800);
  });

  it('gives up at the end when nobody reads', () => {
    const pipe = new Pipe();
    pipe.room = 0;
    const writer = new LogWriter(pipe.writeSome);
    writer.write('line\n');
    writer.finish();
    expect(pipe.text).toBe('');
  });
});

describe('the log on a real stderr', () => {
  const script = (body: string): string[] => [
    '--input-type=module',
    '--eval',
    `import { createLog } from ${JSON.stringify(new URL('../../../dist/telemetry/log.js', import.meta.url).href)};
     const log = createLog({ component: 'gateway' });
     for (let i = 0; i < 5000; i += 1) log.info({ count: i }, 'line');
     ${body}`,
  ];

  it.each([
    ['ends', ''],
    ['exits', 'process.exit(0);'],
    ['fails', 'throw new Error("a bug");'],
  ])('a process that %s has written every line', async (_how, body) => {
    const { stderr } = await run(process.execPath, script(body));
    const counts = [...stderr.matchAll(/"count":(\d+)/g)].map(([, count]) => Number(count));
    expect(counts).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it('waits for no reader, and has it all when one comes', async () => {
    const going = 'setTimeout(() => process.stdout.write("went on"), 10);';
    const child = spawn(process.execPath, script(`${going} setTimeout(() => undefined, 60_000);`));
    cleanup(() => child.kill('SIGKILL'));
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).toBe('went on');
    let last = '';
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        last = (last + chunk.toString()).slice(-300);
        if (last.includes('"count":4999')) resolve();
      });
    });
  });
});
