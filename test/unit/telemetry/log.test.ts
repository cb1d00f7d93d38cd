/** The log as callers use it, in both formats, and on a real stderr. */
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../src/core/error.ts';
import { FIELD } from '../../../src/telemetry/log-field.ts';
import { type Log, type LogOptions, createLog } from '../../../src/telemetry/log.ts';
import { run } from '../../support/run.ts';

/** A log that is kept, and its lines. */
function keepLog(options: Partial<LogOptions>): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return {
    log: createLog({ component: 'gateway', level: 'trace', ...options, destination }),
    lines,
  };
}

/** Logs once as JSON and decodes it. */
function record(write: (log: Log) => void): Record<string, unknown> {
  const { log, lines } = keepLog({ format: 'json' });
  write(log);
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '');
}

/** Logs once for a terminal. */
function pretty(write: (log: Log) => void): string {
  const { log, lines } = keepLog({ format: 'pretty' });
  write(log);
  return lines.join('');
}

const EVIL = 'a\r\nINFO: forged\u001b[2J\u009b31m\u2028\u202e';
// oxlint-disable-next-line no-control-regex -- these must not be there
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/;

describe('createLog() as JSON', () => {
  it('writes one object a line with level, time, component and fields', () => {
    const line = record((log) =>
      log.warn({ [FIELD.tunnel]: 't1', [FIELD.status]: 502 }, 'answered'),
    );
    expect(line).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      component: 'gateway',
      pid: process.pid,
      tunnelId: 't1',
      status: 502,
      msg: 'answered',
    });
  });

  it('lifts the code of an error and keeps its causes', () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' });
    const err = new PosternError('ORIGIN_REFUSED', 'Cannot reach origin "a"', { cause });
    const expected = {
      errCode: 'ORIGIN_REFUSED',
      err: {
        type: 'PosternError',
        code: 'ORIGIN_REFUSED',
        message: 'Cannot reach origin "a"',
        cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect' },
      },
    };
    expect(record((log) => log.error({ err }, 'failed'))).toMatchObject({
      ...expected,
      msg: 'failed',
    });
    expect(record((log) => log.error({ err }))).toMatchObject({ ...expected, msg: err.message });
    expect(record((log) => log.error(err))).toMatchObject({ ...expected, msg: err.message });
    expect(record((log) => log.error(err, 'failed'))).toMatchObject({ ...expected, msg: 'failed' });
    expect(record((log) => log.error({ err, errCode: 'X' }, 'm'))).toMatchObject({ errCode: 'X' });
  });

  it('makes an error of whatever was thrown', () => {
    expect(record((log) => log.error({ err: 'thrown text' }, 'm'))['err']).toEqual({
      type: 'string',
      message: 'thrown text',
    });
  });

  it('A7 keeps hostile values inside their line and inside their string', () => {
    const { log, lines } = keepLog({ format: 'json' });
    log.info({ hostname: EVIL, path: '","level":"fatal', [EVIL]: 1 }, EVIL);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(lines[0]).not.toMatch(CONTROL);
    const line: unknown = JSON.parse(lines[0] ?? '');
    expect(line).toMatchObject({
      level: 'info',
      hostname: EVIL,
      path: '","level":"fatal',
      msg: EVIL,
    });
  });

  it('A8 lets no secret through a field, a message, an argument, an error or a child', () => {
    const canary = 'pst_cAnArYcAnArYcAnArYcAnArY';
    const { log, lines } = keepLog({ format: 'json' });
    log.info({ token: canary, deep: { headers: { authorization: canary } } }, canary);
    log.info(`token is ${canary}`);
    log.info('token is %s, %o and %j', canary, { password: canary }, { token: canary });
    log.info({ a: 1 }, 'token is %s', canary);
    log.error(new Error(canary, { cause: new Error(canary) }));
    log.error({ err: new Error(canary) });
    log.child({ token: canary, note: canary }).child({ secret: canary }).warn('child');
    expect(lines).toHaveLength(7);
    expect(lines.join('')).not.toContain('cAnArY');
  });

  it('fills in the arguments of a message', () => {
    expect(record((log) => log.info('%d links to %s', 4, 'gw'))['msg']).toBe('4 links to gw');
    expect(record((log) => log.info({ a: 1 }, '%d links', 4))['msg']).toBe('4 links');
    expect(record((log) => log.info('100%'))['msg']).toBe('100%');
  });

  it('gives children the fields of their parents', () => {
    const line = record((log) => log.child({ tunnelId: 't' }).child({ linkId: 'l' }).info('up'));
    expect(line).toMatchObject({ component: 'gateway', tunnelId: 't', linkId: 'l', msg: 'up' });
  });

  it('writes nothing below its level', () => {
    const { log, lines } = keepLog({ format: 'json', level: 'warn' });
    log.info('quiet');
    log.warn('loud');
    expect(lines).toHaveLength(1);
  });
});

describe('createLog() for people', () => {
  it('writes time, level, component, message and fields on one line', () => {
    const line = pretty((log) =>
      log.info({ tunnelId: 't1', count: 4, file: 'a b' }, 'links are up'),
    );
    expect(line).toMatch(
      /^\[[\d:.]+\] INFO: gateway: links are up tunnelId=t1 count=4 file="a b"\n$/,
    );
  });

  it('shows an error with its causes below, and a stack only for a bug', () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' });
    const err = new PosternError('ORIGIN_REFUSED', 'Cannot reach origin "a"', { cause });
    expect(
      pretty((log) => log.error({ err }, 'failed'))
        .split('\n')
        .slice(1),
    ).toEqual([
      '    ORIGIN_REFUSED: Cannot reach origin "a"',
      '    because ECONNREFUSED: connect',
      '',
    ]);
    expect(pretty((log) => log.error(new TypeError('bug')))).toMatch(/\n +at .*log\.test\.ts/);
  });

  it('A7 keeps hostile values on their line, colourless, and apart from other fields', () => {
    const lines = pretty((log) =>
      log.info({ hostname: EVIL, path: 'x status=200', [EVIL]: 1 }, EVIL),
    );
    expect(lines).toMatch(/^[^\n]+\n$/);
    expect(lines).not.toMatch(CONTROL);
    expect(lines).toContain('hostname="a\\r\\nINFO: forged\\u001b[2J\\u009b31m\\u2028\\u202e"');
    expect(lines).toContain('path="x status=200"');
  });

  it('A7 keeps hostile messages and codes of errors on their lines', () => {
    const cause = Object.assign(new Error(`${EVIL}\n    at evil (x:1:1)`), { code: EVIL });
    const lines = pretty((log) => log.error({ err: new Error(EVIL, { cause }) }, 'm')).split('\n');
    expect(lines.join('')).not.toMatch(CONTROL);
    for (const line of lines) expect(line).not.toMatch(/^(?:INFO| *at evil)/);
  });
});

describe('createLog() on stderr', () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('../../../dist/telemetry/log.js', import.meta.url).href)};
    const log = createLog({ component: 'cli' });
    log.info({ hostname: 'h' }, 'last words');
    process.exit(3);
  `;

  it('writes JSON to a pipe, all of it before an exit, and nothing to stdout', async () => {
    const child = await run(process.execPath, ['--input-type=module', '-e', script]);
    expect([child.code, child.stdout]).toEqual([3, '']);
    expect(JSON.parse(child.stderr)).toMatchObject({ component: 'cli', msg: 'last words' });
  });

  it('writes for people to a terminal', async () => {
    // util-linux script(1) gives the child a terminal of its own.
    const command = `${process.execPath} --input-type=module -e '${script.replaceAll("'", '"')}'`;
    const child = await run('script', ['-qec', command, '/dev/null']);
    expect(child.stdout).toContain('last words hostname=h');
    expect(child.stdout).not.toContain('{"level"');
  });

  it('shares nothing with other logs', () => {
    const one = keepLog({ component: 'gateway', format: 'json' });
    const two = keepLog({ component: 'connector', format: 'json', level: 'error' });
    one.log.info('one');
    two.log.info('two');
    expect([one.lines.length, two.lines.length]).toEqual([1, 0]);
  });
});
