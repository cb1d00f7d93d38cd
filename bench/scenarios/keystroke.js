/**
 * Keystrokes beside a bulk copy on the same link: 36 bytes there and back, again and again, first on an idle link and then while a
 * download fills it. Postern is held to one link for this; it would have four.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startField } from '../harness/field.js';
import { percentile } from '../harness/statistics.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';

/** What one keystroke of an SSH session is on the wire, in bytes. */
const KEY_BYTES = 36;
const PAUSE_MS = 5;
const RAMP_MS = 400;

export const keystroke = {
  name: 'keystroke',
  title: 'Keystrokes beside a bulk copy on one link',
  carries: 'tcp',
  tunnelsOnly: true,
  async run(context) {
    const echo = await context.lab.load('echo-origin');
    const bulk = await context.lab.load('bulk-origin');
    const typist = await context.lab.load('keystroke-client');
    const copier = await context.lab.load('bulk-client');
    const tcp = { ...(await echo.call('listen')), ...(await bulk.call('listen')) };
    const field = await startField(context, { tcp, links: 1 });

    const type = async (peer, seconds) => {
      const load = { port: peer.ports.echo, bytes: KEY_BYTES, pauseMs: PAUSE_MS, seconds };
      const { timesMs } = await typist.call('type', load);
      return { p50Ms: percentile(timesMs, 50), p99Ms: percentile(timesMs, 99) };
    };
    const measure = async (peer, phase) => {
      const seconds = phase === 'round' ? context.seconds : 0.5;
      const idle = await type(peer, seconds / 2);
      await copier.call('start', {
        direction: 'download',
        port: peer.ports.download,
        connections: 1,
      });
      await delay(RAMP_MS);
      const before = await copier.call('received');
      const busy = await type(peer, seconds);
      const after = await copier.call('received');
      await copier.call('stop');
      const gbitPerSecond = ((after.bytes - before.bytes) * 8) / 1e6 / (after.atMs - before.atMs);
      return { ...busy, idleP50Ms: idle.p50Ms, idleP99Ms: idle.p99Ms, gbitPerSecond };
    };
    const rows = await field.interleave({ title: 'echo', rounds: context.rounds, measure });
    const columns = [
      PEER,
      medianOf('p50 ms', 'p50Ms'),
      rangeOf('p50Ms'),
      ratioTo('ssh', 'p50Ms', rows),
      medianOf('p99 ms', 'p99Ms'),
      medianOf('idle p50', 'idleP50Ms'),
      medianOf('idle p99', 'idleP99Ms'),
      medianOf('copy Gbit/s', 'gbitPerSecond'),
    ];
    const title = `echo of ${KEY_BYTES} bytes while one download runs, and on an idle link`;
    return { series: { echo: rows }, tables: [{ title, rows, columns }] };
  },
};
