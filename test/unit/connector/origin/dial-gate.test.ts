import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { DIAL_GATE_DEFAULTS, DialGate } from '../../../../src/connector/origin/dial-gate.ts';

const forever = new AbortController().signal;

/** Dials that stay under way until told otherwise. */
class Dials {
  readonly started: string[] = [];
  readonly #finish: (() => void)[] = [];
  readonly #gate: DialGate;

  constructor(gate: DialGate) {
    this.#gate = gate;
  }

  start(lane: string, name: string, signal = forever): Promise<void> {
    return this.#gate.run(lane, signal, () => {
      this.started.push(name);
      return new Promise((resolve) => this.#finish.push(resolve));
    });
  }

  async finishOne(): Promise<void> {
    this.#finish.shift()?.();
    await turn();
  }
}

describe('DialGate', () => {
  it('runs as many dials of a lane as allowed, the others in their order', async () => {
    const gate = new DialGate({ dials: 10, dialsPerLane: 2, waitingPerLane: 10 });
    const dials = new Dials(gate);
    const all = ['1', '2', '3', '4'].map((name) => dials.start('a', name));
    await turn();
    expect(dials.started).toEqual(['1', '2']);
    await dials.finishOne();
    expect(dials.started).toEqual(['1', '2', '3']);
    await dials.finishOne();
    await dials.finishOne();
    await dials.finishOne();
    await Promise.all(all);
    expect(gate.active).toBe(0);
  });

  it('keeps places for other lanes when one is full of dials that nobody answers', async () => {
    const gate = new DialGate();
    const dials = new Dials(gate);
    const dead = Array.from({ length: DIAL_GATE_DEFAULTS.dialsPerLane + 500 }, () =>
      dials.start('dead', 'd'),
    );
    const alive = dials.start('alive', 'alive');
    await turn();
    expect(gate.active).toBe(DIAL_GATE_DEFAULTS.dialsPerLane + 1);
    expect(dials.started.at(-1)).toBe('alive');
    while (gate.active > 0) await dials.finishOne();
    await Promise.all([...dead, alive]);
  });

  it('lets lanes take turns when the process is at its limit', async () => {
    const gate = new DialGate({ dials: 1, dialsPerLane: 1, waitingPerLane: 10 });
    const dials = new Dials(gate);
    const all = [
      dials.start('a', 'a1'),
      dials.start('a', 'a2'),
      dials.start('a', 'a3'),
      dials.start('b', 'b1'),
      dials.start('b', 'b2'),
    ];
    await turn();
    for (let i = 0; i < all.length; i += 1) await dials.finishOne();
    await Promise.all(all);
    expect(dials.started).toEqual(['a1', 'a2', 'b1', 'a3', 'b2']);
  });

  it('refuses what cannot even wait with ORIGIN_UNREACHABLE', async () => {
    const gate = new DialGate({ dials: 1, dialsPerLane: 1, waitingPerLane: 2 });
    const dials = new Dials(gate);
    const accepted = ['1', '2', '3'].map((name) => dials.start('a', name));
    await expect(dials.start('a', '4')).rejects.toMatchObject({
      code: 'ORIGIN_UNREACHABLE',
      message: 'Cannot dial the origin: 2 dials of its rule wait already, which is the limit',
    });
    for (let i = 0; i < 3; i += 1) await dials.finishOne();
    await Promise.all(accepted);
    expect(dials.started).toEqual(['1', '2', '3']);
  });

  it('lets go of one that gives up while waiting, and of no place', async () => {
    const gate = new DialGate({ dials: 1, dialsPerLane: 1, waitingPerLane: 1 });
    const dials = new Dials(gate);
    const abort = new AbortController();
    const first = dials.start('a', '1');
    const second = dials.start('a', '2', abort.signal);
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    await expect(second).rejects.toBe(reason);
    const third = dials.start('a', '3');
    await dials.finishOne();
    await dials.finishOne();
    await Promise.all([first, third]);
    expect(dials.started).toEqual(['1', '3']);
    expect(gate.active).toBe(0);
  });

  it('does not start what is aborted already', async () => {
    const dials = new Dials(new DialGate());
    const reason = new Error('late');
    await expect(dials.start('a', '1', AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(dials.started).toEqual([]);
  });

  it('frees the place of a dial that fails', async () => {
    const gate = new DialGate({ dials: 1, dialsPerLane: 1, waitingPerLane: 1 });
    const failure = new Error('refused');
    await expect(gate.run('a', forever, () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(gate.run('a', forever, () => Promise.resolve('next'))).resolves.toBe('next');
  });
});
