/**
 * Memory and descriptors of Postern's processes over the length of a soak, by what each process is: workers and connectors come
 * and go, and none may need more than those before it did.
 */
import type { ProcessWatch, Role } from '../support/load/process-watch.ts';

interface Sample {
  readonly at: number;
  readonly rssMib: number;
  readonly descriptors: number;
}

/** The first and the last part of the soak that are compared. */
const PART = 1 / 3;

export interface Growth {
  readonly role: Role;
  readonly samples: number;
  /** Medians of the first part and of the last. */
  readonly rssMib: readonly [number, number];
  readonly descriptors: readonly [number, number];
}

export class Resources {
  readonly #watch: ProcessWatch;
  readonly #samples = new Map<Role, Sample[]>();

  constructor(watch: ProcessWatch) {
    this.#watch = watch;
  }

  /** Looks at these processes; the others, which drain, come and go by design. */
  take(pids: readonly number[]): void {
    for (const { pid, role, rssMib, descriptors } of this.#watch.look()) {
      if (!pids.includes(pid)) continue;
      const samples = this.#samples.get(role) ?? [];
      samples.push({ at: performance.now(), rssMib, descriptors });
      this.#samples.set(role, samples);
    }
  }

  get growth(): Growth[] {
    return [...this.#samples].map(([role, samples]) => {
      const [first, last] = [samples[0]?.at ?? 0, samples.at(-1)?.at ?? 0];
      const part = (last - first) * PART;
      const early = samples.filter(({ at }) => at <= first + part);
      const late = samples.filter(({ at }) => at >= last - part);
      return {
        role,
        samples: samples.length,
        rssMib: [median(early, 'rssMib'), median(late, 'rssMib')],
        descriptors: [median(early, 'descriptors'), median(late, 'descriptors')],
      };
    });
  }
}

function median(samples: readonly Sample[], of: 'rssMib' | 'descriptors'): number {
  const sorted = samples.map((sample) => sample[of]).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
