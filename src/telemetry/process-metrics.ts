/**
 * What prom-client knows of the process: memory, CPU, event-loop lag, garbage collection, descriptors.
 *
 * They belong to the process and are therefore made once in it, however many registries show them: each set holds a GC
 * observer and an event-loop monitor that cannot be stopped.
 */
import { Registry, collectDefaultMetrics } from 'prom-client';

let processRegistry: Registry | undefined;

/** Shows the metrics of this process in `registry` too. */
export function addProcessMetrics(registry: Registry): void {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  for (const { name } of processRegistry.getMetricsAsArray()) {
    const metric = processRegistry.getSingleMetric(name);
    if (metric !== undefined) registry.registerMetric(metric);
  }
}
