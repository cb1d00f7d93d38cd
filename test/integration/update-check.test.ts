/** `postern update --check` against a registry of our own. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { VERSION } from '../../src/core/version.ts';
import { startHttpListener } from '../support/real/http-listener.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry that has one version. */
function serving(version: string): Serve {
  return ({ url }, response) => {
    response.setHeader('content-type', 'application/json');
    const document = { name: 'postern', version, dist: {} };
    const isPackage = url === '/postern';
    response.statusCode = isPackage ? 200 : 404;
    const packument = {
      name: 'postern',
      'dist-tags': { latest: version },
      versions: { [version]: document },
    };
    response.end(JSON.stringify(isPackage ? packument : { error: 'not found' }));
  };
}

async function check(serve: Serve, ...args: readonly string[]): Promise<RunResult> {
  const { port } = await startHttpListener(serve);
  return checkAt(`http://127.0.0.1:${port}/`, ...args);
}

async function checkAt(registry: string, ...args: readonly string[]): Promise<RunResult> {
  const [program, words] = posternCommand('update', '--check', ...args);
  const npm = { npm_config_registry: registry, npm_config_cache: tempDir('npm') };
  // A proxy of the machine must not stand in between.
  const direct = { npm_config_noproxy: '127.0.0.1', npm_config_loglevel: 'silent' };
  return run(program, words, { env: posternEnv({ ...npm, ...direct }), cwd: tempDir('cwd') });
}

describe('postern update --check', () => {
  it('ends with 0 when nothing is newer', async () => {
    for (const version of [VERSION, '0.0.1', `${VERSION}-rc.1`]) {
      // oxlint-disable-next-line no-await-in-loop
      const { code, stdout, stderr } = await check(serving(version));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`Installed: ${VERSION}\nNewest:    ${version}\n`);
    }
  });

  it('ends with 5 and prints the commands when there is a newer one', async () => {
    const { code, stdout } = await check(serving('99.1.0'));
    expect(code).toBe(5);
    expect(stdout).toMatch(/Upgrade with:\n {2}\S.*99\.1\.0/);
  });

  it('says the same as JSON', async () => {
    const { code, stdout } = await check(serving('99.1.0'), '-o', 'json');
    expect(code).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({
      version: VERSION,
      newest: '99.1.0',
      isNewer: true,
      commands: expect.arrayContaining([expect.stringContaining('99.1.0')]),
    });
  });

  it('says why the registry cannot be asked', async () => {
    const cases: [Serve, RegExp][] = [
      [(_, response) => response.writeHead(404).end('{}'), /E404/],
      [(_, response) => response.writeHead(500).end('oops'), /E500/],
      [(_, response) => response.end('<html>'), /newest version: \S/],
      [serving('1.0.0; rm -rf /'), /not a version|npm failed|newest version/],
      [({ socket }) => socket.destroy(), /newest version: \S/],
    ];
    for (const [serve, why] of cases) {
      // oxlint-disable-next-line no-await-in-loop
      const { code, stderr, stdout } = await check(serve);
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^postern: Cannot ask the npm registry .*\(CLI_REGISTRY\)\n$/);
      expect(stderr).toMatch(why);
    }
  });

  it('says so when npm is missing', async () => {
    const [program, words] = posternCommand('update', '--check');
    const { code, stderr } = await run(program, words, { env: { PATH: tempDir('empty') } });
    expect(code).toBe(1);
    expect(stderr).toContain('npm is not installed (CLI_REGISTRY)');
  });

  it('checks only when it is told to', async () => {
    const { code, stderr } = await run(...posternCommand('update'));
    expect(code).toBe(2);
    expect(stderr).toContain('Missing required argument: check');
  });
});
