import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** One line about the machine: figures of different machines must not be compared, and this says which one it was. */
export function describeMachine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${availableParallelism()} cores (${model})`,
    `${memory} GiB`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    `load ${loadavg()[0].toFixed(2)} at the start`,
  ].join(', ');
}
