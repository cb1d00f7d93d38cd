import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { readSamlProviders } from '../../../../src/access/saml/known-providers.ts';
import { loadGatewayConfig } from '../../../../src/config/gateway-config.ts';
import { HostileIdp, idpKey } from '../../../support/hostile-idp.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const idp = new HostileIdp(await idpKey());

/** A gateway's file with two SAML providers; `second` is the metadata of the second. */
function configFile(second: string): string {
  const dir = tempDir('saml-config');
  writeFileSync(join(dir, 'one.xml'), idp.metadata());
  writeFileSync(join(dir, 'two.xml'), second);
  const file = join(dir, 'gateway.yaml');
  writeFileSync(
    file,
    `domain: postern.test
listen: { https: "127.0.0.1:8443" }
identity-providers:
  - { id: one, type: saml, idp-metadata-file: ./one.xml, idp-initiated: { application: wiki } }
  - id: two
    type: saml
    idp-metadata-file: ./two.xml
    idp-initiated: { application: all }
applications:
  - { name: wiki, hostname: wiki.postern.test }
  - { name: all, hostname: "*.postern.test" }
`,
  );
  return file;
}

it('readSamlProviders() reads each file, and knows where sign-ins from the provider land', async () => {
  const config = await loadGatewayConfig(configFile(idp.metadata()));
  const known = await readSamlProviders(config);
  expect(known.map(({ provider, landingHostname }) => [provider.id, landingHostname])).toEqual([
    ['one', 'wiki.postern.test'],
    ['two', undefined],
  ]);
  expect(known[0]?.idp.entityId).toBe(idp.entityId);
});

it('readSamlProviders() tells the place of a file that it cannot use', async () => {
  const file = configFile('<!DOCTYPE x><x/>');
  const config = await loadGatewayConfig(file);
  await expect(readSamlProviders(config)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /gateway\.yaml:7: identity-providers\[1\]\.idp-metadata-file: file ".*two\.xml" is not SAML metadata: it has a DOCTYPE; save/,
    ),
  });
});
