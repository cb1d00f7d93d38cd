/** Resident memory of a process over time, for saying that it stays flat. */
import type { TestProcess } from './processes.ts';

const MiB = 1024 * 1024;

export class RssSamples {
  readonly #process: TestProcess;
  readonly #mib: number[] = [];

  constructor(process: TestProcess) {
    this.#process = process;
  }

  /** Measures now. */
  take(): void {
    this.#mib.push(Math.round(this.#process.rssBytes() / MiB));
  }

  get mostMib(): number {
    return Math.max(...this.#mib);
  }

  /** From the first half of the samples to the second, by their medians. */
  get growthMib(): number {
    const half = Math.floor(this.#mib.length / 2);
    return median(this.#mib.slice(half)) - median(this.#mib.slice(0, half));
  }

  toString(): string {
    return `${Math.min(...this.#mib)} to ${this.mostMib} MiB (growth ${this.growthMib})`;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
