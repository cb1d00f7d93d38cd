/** What a computation costs, whatever else the machine does meanwhile: wall time would tell how busy it is. */

/** CPU time of this process since `start`, a `process.cpuUsage()`, ms. */
export function cpuMs(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
