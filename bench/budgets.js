/**
 * The figures to reach, each as a ratio to a peer of the same run or as a bound of its own. Absolute speed belongs to a machine;
 * these hold on any. They are a floor, not the aim, and no test depends on them: `--strict` makes the exit code do.
 */
import { formatNumber, medianIn } from './harness/table.js';

const ratio = (scenario, series, field, base) => (results) =>
  medianIn(results[scenario]?.series[series], 'postern', field) /
  medianIn(results[scenario]?.series[series], base, field);

const own = (scenario, series, field) => (results) =>
  medianIn(results[scenario]?.series[series], 'postern', field);

const bulkBudget = (direction, connections) => ({
  title: `bulk ${direction}, ${connections} connection(s)`,
  scenario: 'bulk',
  unit: '× ssh',
  atLeast: 1.0,
  measured: ratio('bulk', `${direction}-${connections}`, 'gbitPerSecond', 'ssh'),
});

const longPathBudget = (direction) => ({
  title: `one stream over 150 ms, ${direction}`,
  scenario: 'long-path',
  unit: 'Mbit/s',
  atLeast: 200,
  measured: own('long-path', direction, 'mbitPerSecond'),
});

export const BUDGETS = [
  bulkBudget('download', 1),
  bulkBudget('upload', 1),
  bulkBudget('download', 8),
  bulkBudget('upload', 8),
  {
    title: 'requests over a TCP port, 64 connections',
    scenario: 'tcp-requests',
    unit: '× ssh',
    atLeast: 1.5,
    measured: ratio('tcp-requests', 'c64', 'requestsPerSecond', 'ssh'),
  },
  {
    title: 'HTTP requests, 64 connections',
    scenario: 'http',
    unit: '× nginx',
    atLeast: 0.5,
    measured: ratio('http', 'c64', 'requestsPerSecond', 'nginx'),
  },
  {
    title: 'HTTP requests, 1 connection, p50 beyond that of nginx',
    scenario: 'http',
    unit: 'ms',
    atMost: 0.15,
    measured: (results) => {
      const rows = results.http?.series.c1;
      return medianIn(rows, 'postern', 'p50Ms') - medianIn(rows, 'nginx', 'p50Ms');
    },
  },
  {
    title: 'HTTP/2 requests, 8 connections with 8 at once',
    scenario: 'http2',
    unit: '× nginx',
    atLeast: 0.4,
    measured: ratio('http2', 'requests', 'requestsPerSecond', 'nginx-http2'),
  },
  longPathBudget('download'),
  longPathBudget('upload'),
  {
    title: 'keystroke beside a bulk copy, p50',
    scenario: 'keystroke',
    unit: 'ms',
    atMost: 50,
    measured: own('keystroke', 'echo', 'p50Ms'),
  },
  {
    title: 'gateway memory per idle WebSocket',
    scenario: 'memory',
    unit: 'KiB',
    atMost: 60,
    measured: own('memory', 'websockets', 'gatewayKib'),
  },
  {
    title: 'gateway memory per idle link',
    scenario: 'memory',
    unit: 'KiB',
    atMost: 100,
    measured: own('memory', 'links', 'gatewayKib'),
  },
];

/** The budgets of the scenarios that ran, each with what was measured and whether it is met: true, false, or undefined. */
export function judge(budgets, results) {
  return budgets
    .filter((budget) => results[budget.scenario] !== undefined)
    .map((budget) => {
      const measured = budget.measured(results);
      return { ...budget, measured, isMet: meets(budget, measured) };
    });
}

function meets({ atLeast = -Infinity, atMost = Infinity }, measured) {
  return Number.isFinite(measured) ? measured >= atLeast && measured <= atMost : undefined;
}

function bound({ atLeast, atMost, unit }) {
  const sign = atLeast === undefined ? '≤' : '≥';
  return `${sign} ${formatNumber(atLeast ?? atMost)} ${unit}`;
}

/** The table target / measured / met. */
export function budgetTable(judged) {
  const verdict = { true: 'yes', false: 'NO', undefined: 'not measured' };
  return {
    title: 'Figures to reach',
    rows: judged,
    columns: [
      { title: 'figure', cell: (row) => row.title },
      { title: 'target', cell: bound },
      { title: 'measured', cell: (row) => formatNumber(row.measured) },
      { title: 'met', cell: (row) => verdict[row.isMet] },
    ],
  };
}
