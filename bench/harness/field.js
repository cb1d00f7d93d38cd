/**
 * The peers that take part in one scenario, all running at once and measured in turn: A B C, A B C, …
 *
 * Interleaving spreads a slow minute of the machine over everybody. A peer that cannot start or fails on the way leaves the
 * field with its reason; it is never silently missing and never ends the scenario.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { foreignShare, machineCpu } from './process-stats.js';

/** Share of the machine that other processes may have in a measurement that counts as undisturbed. */
export const NOISE = 0.05;

/** Pause before each measurement, for the sockets of the one before to close. */
const SETTLE_MS = 150;

/** Starts every peer for `request` (see bench/peers/all.js) and resolves with the field, whoever started. */
export async function startField({ lab, peers, repeats, say }, request) {
  const entries = [];
  for (const peer of peers) {
    const entry = { name: peer.name, title: peer.title, running: undefined, reason: undefined };
    entries.push(entry);
    try {
      entry.reason = await peer.unavailable?.();
      if (entry.reason === undefined) entry.running = await peer.start(lab, request);
    } catch (error) {
      entry.reason = error.message;
    }
    if (entry.reason !== undefined) say(`${peer.title}: NOT MEASURED: ${String(entry.reason)}`);
  }
  return new Field(entries, repeats, say);
}

class Field {
  #entries;
  #repeats;
  #say;

  constructor(entries, repeats, say) {
    this.#entries = entries;
    this.#repeats = repeats;
    this.#say = say;
  }

  /** Process ids of what a peer consists of, by role, for those that started: `[{ name, roles }]`. */
  get running() {
    return this.#entries.filter((entry) => entry.reason === undefined);
  }

  /**
   * Calls `measure(running, phase)` once per peer as warm-up and then once per peer and round. A measurement in which somebody else
   * had more than NOISE of the machine is made again after the rounds, at most once a round and as long as `repeats` allows; the
   * least disturbed of a peer's samples are kept.
   * Resolves with one row per peer, in order: `{ name, title, samples }`, or `{ name, title, reason }`.
   */
  async interleave({ title, rounds, measure, hasWarmUp = true }) {
    const samples = new Map(this.#entries.map((entry) => [entry, []]));
    const takeRound = async (entries, phase) => {
      for (const entry of entries) {
        const sample = await this.#measureOne(entry, phase, measure);
        if (phase === 'round' && sample !== undefined) samples.get(entry).push(sample);
      }
    };
    this.#say(title);
    if (hasWarmUp) await takeRound(this.running, 'warm-up');
    for (let round = 0; round < rounds; round++) await takeRound(this.running, 'round');
    for (let round = 0; round < rounds && this.#repeats.leftMs > 0; round++) {
      const disturbed = this.running.filter((entry) => quiet(samples.get(entry)) < rounds);
      const started = performance.now();
      await takeRound(disturbed, 'round');
      this.#repeats.leftMs -= performance.now() - started;
    }
    return this.#entries.map((entry) => {
      const { name, title: peerTitle, reason } = entry;
      return reason === undefined
        ? { name, title: peerTitle, samples: leastDisturbed(samples.get(entry), rounds) }
        : { name, title: peerTitle, reason };
    });
  }

  async #measureOne(entry, phase, measure) {
    await delay(SETTLE_MS);
    const before = machineCpu();
    try {
      const sample = await measure(entry.running, phase);
      return { ...sample, foreignCpu: foreignShare(before, machineCpu()) };
    } catch (error) {
      entry.reason = error.message;
      this.#say(`${entry.title}: NOT MEASURED: ${error.message}`);
      return undefined;
    }
  }
}

function quiet(samples) {
  return samples.filter((sample) => sample.foreignCpu <= NOISE).length;
}

function leastDisturbed(samples, count) {
  return samples.toSorted((a, b) => a.foreignCpu - b.foreignCpu).slice(0, count);
}
