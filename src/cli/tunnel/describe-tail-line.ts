/** A line of `tunnel tail` for people. */
import type { TailedRequest } from '../../admin/tail-line.ts';

/** None for what says nothing to people, and for what a newer gateway may say. */
export function describeTailLine(line: unknown): string[] {
  if (isOf(line, 'lost')) {
    return [
      `… ${String(Reflect.get(line, 'count'))} left out: they came faster than they were read`,
    ];
  }
  // The gateway is ours, and its socket is for its own user.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return isOf(line, 'request') ? [describeRequest(line as unknown as TailedRequest)] : [];
}

function describeRequest(request: TailedRequest): string {
  const { at, status, method, hostname, path, durationMs, originMs, code, user, client } = request;
  const time = at.slice(11, 23);
  const answer = status === 0 ? '---' : String(status);
  const origin = originMs === undefined ? '' : ` (origin ${originMs} ms)`;
  const more = [code, user ?? client, request.application, request.requestId];
  const facts = more.filter((fact) => fact !== undefined).join(' ');
  const what = request.isWebSocket ? 'WS' : method;
  return `${time} ${answer} ${what} ${hostname}${path} ${durationMs} ms${origin} ${facts}`;
}

function isOf(line: unknown, type: string): line is object {
  return typeof line === 'object' && line !== null && Reflect.get(line, 'type') === type;
}
