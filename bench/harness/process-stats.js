/**
 * What processes cost, read from /proc: CPU time, resident memory, and who descends from whom.
 *
 * Linux only. A process that has gone counts as nothing; callers that need it alive check that themselves.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';

let clockTicks;

/** Clock ticks per second of the times in /proc/<pid>/stat. */
function ticksPerSecond() {
  clockTicks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return clockTicks;
}

/** The fields of /proc/<pid>/stat that we use, or undefined when the process has gone. */
function readStat(pid) {
  let text;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The command may hold spaces and brackets; the fields begin after the last bracket, with number 3 (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (number) => Number(fields[number - 3]);
  // 14 to 17 are utime, stime and the same of children that were waited for.
  return { pid, parent: at(4), ticks: at(14) + at(15) + at(16) + at(17), startTicks: at(22) };
}

/** The process and all that descend from it, as `{ pid, startTicks }`: together they name a process for ever. */
export function processTree(root) {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined);
  const members = stats.filter((stat) => stat.pid === root);
  for (const member of members) members.push(...stats.filter((stat) => stat.parent === member.pid));
  return members;
}

/** True while the process that `member` of an earlier processTree() named still runs. */
export function isSameProcess(member) {
  return readStat(member.pid)?.startTicks === member.startTicks;
}

/** CPU seconds, user and system, that the processes and their descendants have used. */
export function cpuSeconds(pids) {
  const ticks = pids
    .flatMap((pid) => processTree(pid))
    .reduce((sum, member) => sum + member.ticks, 0);
  return ticks / ticksPerSecond();
}

/** Resident memory of a process and its descendants, in bytes. */
export function residentBytes(root) {
  return processTree(root).reduce((sum, member) => sum + residentBytesOf(member.pid), 0);
}

/** Resident memory of one process, in bytes; 0 when it has gone. */
export function residentBytesOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/**
 * CPU seconds the whole machine and this benchmark (this process and its descendants) have used until now. The difference
 * of two readings tells how much of the machine somebody else had. Interrupt time is left out: it cannot be told whose it was.
 */
export function machineCpu() {
  const [, user, nice, system, idle, wait, , , steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]
    .split(/\s+/)
    .map(Number);
  const busy = user + nice + system + steal;
  return {
    busy: busy / ticksPerSecond(),
    total: (busy + idle + wait) / ticksPerSecond(),
    own: cpuSeconds([process.pid]),
  };
}

/** The share of the machine, 0 to 1, that processes outside this benchmark had between two readings of machineCpu(). */
export function foreignShare(before, after) {
  const foreign = after.busy - before.busy - (after.own - before.own);
  return Math.max(0, foreign / (after.total - before.total));
}

/** The most files a process here may have open (the hard limit). */
export function openFileLimit() {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === undefined || hard === 'unlimited' ? Infinity : Number(hard);
}
