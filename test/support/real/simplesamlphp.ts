/**
 * SimpleSAMLphp as an identity provider, served by PHP's own web server, with everything it writes below the temporary
 * directory. It reads our metadata as the XML that we publish.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { freePort } from './port.ts';
import { whenReady } from './ready.ts';
import type { IdpKey } from '../hostile-idp.ts';

export interface SimpleSamlPhpOptions {
  readonly key: IdpKey;
  /** Whether it encrypts assertions. Default false. */
  readonly encrypts?: boolean;
  /** By name. Everybody's password is `secret`. */
  readonly users: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface SimpleSamlPhp {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** Its metadata, XML. */
  readonly metadata: () => Promise<string>;
  /** Gives it the metadata of the service provider it is to trust. */
  readonly trust: (metadata: string) => void;
  readonly log: () => string;
}

const PACKAGE = '/usr/share/simplesamlphp';

/** Starts it. The clean-up stops it. */
export async function startSimpleSamlPhp(options: SimpleSamlPhpOptions): Promise<SimpleSamlPhp> {
  requireTools('php', 'simplesamlphp');
  const dir = tempDir('ssp');
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  for (const name of ['config', 'metadata', 'cert', 'log', 'data', 'tmp', 'sessions', 'www']) {
    mkdirSync(join(dir, name));
  }
  symlinkSync(join(PACKAGE, 'www'), join(dir, 'www/simplesaml'));
  writeFileSync(join(dir, 'cert/idp.pem'), options.key.key);
  writeFileSync(join(dir, 'cert/idp.crt'), options.key.certificate);
  writeFileSync(join(dir, 'config/config.php'), config(dir, origin));
  writeFileSync(join(dir, 'config/authsources.php'), authSources(options.users));
  writeFileSync(join(dir, 'metadata/saml20-idp-hosted.php'), hosted(options.encrypts ?? false));
  const trust = (metadata: string): void => writeFileSync(join(dir, 'metadata/sp.xml'), metadata);
  trust(NOBODY);
  const server = startProcess(
    toolPath('php'),
    ['-d', 'display_errors=stderr', '-S', `127.0.0.1:${port}`, '-t', join(dir, 'www')],
    { name: 'simplesamlphp', env: { SIMPLESAMLPHP_CONFIG_DIR: join(dir, 'config') } },
  );
  const metadata = async (): Promise<string> => {
    const response = await fetch(`${origin}/simplesaml/saml2/idp/metadata.php`);
    const xml = await response.text();
    if (response.ok) return xml;
    throw new Error(`Cannot read the metadata: ${response.status} ${xml}`);
  };
  await whenReady(server, metadata);
  return { origin, metadata, trust, log: () => server.stderr };
}

const NOBODY =
  '<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"></EntitiesDescriptor>';

function config(dir: string, origin: string): string {
  return `<?php
$config = [
  'baseurlpath' => '${origin}/simplesaml/',
  'certdir' => '${dir}/cert/',
  'loggingdir' => '${dir}/log/',
  'datadir' => '${dir}/data/',
  'tempdir' => '${dir}/tmp',
  'metadatadir' => '${dir}/metadata',
  'timezone' => 'UTC',
  'secretsalt' => 'salt of a test and nothing else',
  'auth.adminpassword' => 'admin of a test',
  'showerrors' => true,
  'errorreporting' => false,
  'logging.handler' => 'errorlog',
  'logging.level' => SimpleSAML\\Logger::NOTICE,
  'enable.saml20-idp' => true,
  'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
  'session.cookie.secure' => false,
  'session.cookie.samesite' => null,
  'session.phpsession.savepath' => '${dir}/sessions',
  'session.phpsession.httponly' => true,
  'language.cookie.secure' => false,
  'language.cookie.samesite' => null,
  'language.available' => ['en'],
  'language.default' => 'en',
  'store.type' => 'phpsession',
  'metadata.sources' => [
    ['type' => 'flatfile'],
    ['type' => 'xml', 'file' => '${dir}/metadata/sp.xml'],
  ],
];
`;
}

function authSources(users: SimpleSamlPhpOptions['users']): string {
  const entries = Object.entries(users).map(([name, attributes]) => {
    const values = Object.entries(attributes).map(
      ([key, list]) => `'${key}' => [${list.map((value) => `'${value}'`).join(', ')}]`,
    );
    return `    '${name}:secret' => ['uid' => ['${name}'], ${values.join(', ')}],`;
  });
  return `<?php
$config = [
  'admin' => ['core:AdminPassword'],
  'example-userpass' => [
    'exampleauth:UserPass',
${entries.join('\n')}
  ],
];
`;
}

function hosted(encrypts: boolean): string {
  return `<?php
$metadata['__DYNAMIC:1__'] = [
  'host' => '__DEFAULT__',
  'privatekey' => 'idp.pem',
  'certificate' => 'idp.crt',
  'auth' => 'example-userpass',
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'authproc' => [
    3 => [
      'class' => 'saml:AttributeNameID',
      'attribute' => 'uid',
      'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    ],
  ],
  'assertion.encryption' => ${encrypts},
  'redirect.sign' => true,
  'redirect.validate' => true,
  'validate.authnrequest' => true,
  'sign.logout' => true,
  'validate.logout' => true,
];
`;
}
