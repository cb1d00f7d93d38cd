/**
 * Everything that people do with a gateway at once: web pages, WebSockets, copies, SSH, databases, plain TCP ports. Paced, so
 * that two cores carry it beside the processes that come and go under it.
 */
import { eventually } from '../eventually.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { Http1Load } from './http1-load.ts';
import { Http2Load } from './http2-load.ts';
import { LinesLoad } from './lines-load.ts';
import type { Failure, Load, LoadKind, LoadReport } from './load.ts';
import { HOSTS, type LoadLab } from './load-lab.ts';
import { StreamsLoad } from './streams-load.ts';
import { TransferLoad } from './transfer-load.ts';
import { TypingLoad } from './typing-load.ts';
import { WebSocketLoad } from './websocket-load.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export class MixedLoad {
  readonly loads: readonly Load[];

  /** `lifeMs` is how long streams and commands live that else would live from the first moment to the last. */
  constructor(lab: LoadLab, random: SeededRandom, lifeMs?: number) {
    const { gateway, exchanges, ports, commands } = lab;
    const web = { gateway, hostname: HOSTS.web, random };
    const streams = { exchanges, random, paceMs: 100, lifeMs };
    const lines = { random, paceMs: 20, lifeMs };
    const slow = { up: Infinity, down: Infinity, paceMs: 50, chunkBytes: 2 * KiB };
    const bulk = { up: Infinity, down: Infinity, paceMs: 20, chunkBytes: 16 * KiB };
    const oneWay = [
      { ...slow, up: 0 },
      { ...slow, down: 0 },
    ];
    this.loads = [
      new Http1Load({ ...web, keeping: 4, closing: 2, paceMs: 40 }),
      new Http2Load({ ...web, users: 2, together: 3, paceMs: 60 }),
      new TransferLoad({ ...web, each: 2, bytesPerSecond: 2 * MiB, mostBytes: 24 * MiB }),
      new WebSocketLoad({ ...web, users: 6, paceMs: 30 }),
      new StreamsLoad({
        ...streams,
        kind: 'tcp port',
        port: ports.raw,
        long: [bulk, slow, slow, slow, ...oneWay],
        short: 2,
      }),
      new StreamsLoad({
        ...streams,
        kind: 'access tcp',
        port: ports.db,
        long: [bulk, slow, slow, slow, ...oneWay],
        short: 2,
      }),
      new TypingLoad({ port: ports.echo, random, users: 4, paceMs: 30, lifeMs }),
      new LinesLoad({ ...lines, ...commands.stdio, kind: 'access stdio', users: 1 }),
      new LinesLoad({ ...lines, ...commands.ssh, kind: 'access ssh', users: 2 }),
    ];
  }

  get reports(): readonly LoadReport[] {
    return this.loads.map(({ report }) => report);
  }

  get failures(): readonly Failure[] {
    return this.reports.flatMap(({ failures }) => failures);
  }

  /** Resolves when something has arrived at every user since now. */
  async allMove(deadlineMs = 120_000): Promise<void> {
    const before = this.loads.map(({ moves }) => [...moves]);
    await eventually(
      () => {
        const still = this.loads.flatMap(({ kind, moves }, load) =>
          moves.flatMap((count, user) =>
            count > (before[load]?.[user] ?? 0) ? [] : `user ${user} of ${kind}`,
          ),
        );
        if (still.length > 0) throw new Error(`nothing arrived at ${still.join(', ')}`);
      },
      { deadlineMs, everyMs: 10, what: 'everybody to see something arrive' },
    );
  }

  /** For each kind the longest time in which one of its users saw nothing arrive since this was asked last, ms. */
  takeLongestPauses(): ReadonlyMap<LoadKind, number> {
    const pauses = new Map<LoadKind, number>();
    for (const load of this.loads) {
      pauses.set(load.kind, Math.max(pauses.get(load.kind) ?? 0, load.takeLongestPause()));
    }
    return pauses;
  }

  /** Ends all loads, each user in its own way. */
  async stop(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
  }

  /** What each load did, a line each. */
  describe(): string {
    const lines = this.reports.map(({ kind, done, bytes, counts, failures }) => {
      const more = Object.entries(counts).map(([what, count]) => `, ${count} ${what}`);
      return `${kind}: ${done} done, ${(bytes / MiB).toFixed(1)} MiB compared, ${failures.length} failed${more.join('')}`;
    });
    return lines.join('\n  ');
  }
}
