import { beforeEach, describe, expect, it } from '@jest/globals';

import { tryCommands } from '../../../../src/cli/quickstart/try-commands.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { mustRun } from '../../../support/run.ts';

const PORTS = { https: 8443, echo: 7007 };
const VARIABLES = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'PATH'];

beforeEach(() => {
  for (const name of VARIABLES) {
    const before = process.env[name];
    if (name !== 'PATH') delete process.env[name];
    cleanup(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
});

describe('tryCommands()', () => {
  it('names the page, the authority and the port', async () => {
    const [page, echo, ...more] = await tryCommands('/state', PORTS);
    expect(page).toMatch(
      /^curl --cacert \/state\/ca\.pem .*https:\/\/hello\.postern\.localhost:8443\/$/,
    );
    expect(echo).toMatch(/^bash -c '.*\/dev\/tcp\/127\.0\.0\.1\/7007.*'$/);
    expect(more).toEqual([]);
  });

  it('quotes a folder so that a shell reads it back', async () => {
    const folder = `/state of "it's" $HOME \`x\``;
    const [page = ''] = await tryCommands(folder, PORTS);
    const word = page.slice(
      'curl --cacert '.length,
      page.lastIndexOf("ca.pem'") + "ca.pem'".length,
    );
    const { stdout } = await mustRun('sh', ['-c', `printf %s ${word}`]);
    expect(stdout).toBe(`${folder}/ca.pem`);
  });

  it('goes around a proxy', async () => {
    process.env['https_proxy'] = 'http://proxy:3128';
    expect((await tryCommands('/state', PORTS))[0]).toContain(`--noproxy '*'`);
  });

  it('tells the address where neither curl nor the system may know it', async () => {
    process.env['PATH'] = '/nowhere';
    const [page] = await tryCommands('/state', PORTS);
    // A system that resolves every name under localhost needs no help.
    const help = '--resolve hello.postern.localhost:8443:127.0.0.1';
    expect([
      `curl --cacert /state/ca.pem ${help} https`,
      'curl --cacert /state/ca.pem https',
    ]).toContain(page?.slice(0, page.indexOf('://')));
  });
});
