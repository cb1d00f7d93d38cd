/**
 * The two commands that the quickstart prints. They must work as they are, pasted into any shell of a machine that has
 * curl and bash, whatever its resolver and its proxy settings.
 */
import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PAGE_HOSTNAME, type QuickstartPorts } from './quickstart-files.ts';
import { shellWord } from './shell-word.ts';

/** The first curl that takes every name under `localhost` for this machine, as browsers do. */
const CURL_KNOWS_LOCALHOST = [7, 85];

/** What may make curl ask somebody else for a page of this machine. */
const PROXY_VARIABLES = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];

/** The commands, page first. */
export async function tryCommands(folder: string, ports: QuickstartPorts): Promise<string[]> {
  const options = [`--cacert ${shellWord(join(folder, 'ca.pem'))}`];
  if (PROXY_VARIABLES.some((name) => process.env[name])) options.push("--noproxy '*'");
  if (!(await isResolved())) {
    options.push(`--resolve ${PAGE_HOSTNAME}:${ports.https}:127.0.0.1`);
  }
  return [
    `curl ${options.join(' ')} https://${PAGE_HOSTNAME}:${ports.https}/`,
    // Bash itself connects: neither nc nor telnet need be there, and any shell can start it.
    `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${ports.echo}; echo hello through the tunnel >&3; head -n 1 <&3'`,
  ];
}

async function isResolved(): Promise<boolean> {
  return (await curlKnowsLocalhost()) || (await systemKnowsLocalhost());
}

async function systemKnowsLocalhost(): Promise<boolean> {
  try {
    const addresses = await lookup(PAGE_HOSTNAME, { all: true });
    return addresses.every(({ address }) => address === '127.0.0.1' || address === '::1');
  } catch {
    return false;
  }
}

async function curlKnowsLocalhost(): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)('curl', ['--version'], { timeout: 2_000 });
    const [, major, minor] = /^curl (\d+)\.(\d+)/.exec(stdout) ?? [];
    const [knownMajor = 0, knownMinor = 0] = CURL_KNOWS_LOCALHOST;
    return (
      Number(major) > knownMajor || (Number(major) === knownMajor && Number(minor) >= knownMinor)
    );
  } catch {
    return false;
  }
}
