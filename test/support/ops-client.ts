/** What the metrics address of a gateway or connector says: readiness, and single numbers out of its metrics. */
import { eventually } from './eventually.ts';

/** Whether `/ready` answers 200. False also where nothing listens. */
export async function isReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, {
      signal: AbortSignal.timeout(5000),
    });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** The sum of all series of a metric that have these labels; 0 where there is none. */
export async function readMetric(
  port: number,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
    signal: AbortSignal.timeout(5000),
  });
  const wanted = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  let sum = 0;
  for (const line of (await response.text()).split('\n')) {
    const [, series, text = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const has = text.split(/,(?=\w+=")/);
    if (series === name && wanted.every((label) => has.includes(label))) sum += Number(value);
  }
  return sum;
}

/** Resolves when the metric has that value. */
export async function metricBecomes(
  port: number,
  name: string,
  value: number,
  deadlineMs = 30_000,
): Promise<void> {
  await eventually(
    async () => {
      const seen = await readMetric(port, name);
      if (seen !== value) throw new Error(`${name} is ${seen}`);
    },
    { deadlineMs, what: `${name} to become ${value}` },
  );
}
