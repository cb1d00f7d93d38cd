import { expect, it } from '@jest/globals';
import { upgradeCommands } from '../../../../src/cli/update/upgrade-commands.ts';

const global = '/usr/lib/node_modules/postern';

it.each([
  ['globally', { packageRoot: global, npmPrefix: '/usr' }, ['npm install -g postern@1.2.3']],
  [
    'globally with a prefix of its own',
    { packageRoot: '/opt/postern/lib/node_modules/postern', npmPrefix: '/usr' },
    ['npm install -g --prefix /opt/postern postern@1.2.3'],
  ],
  [
    'in a project',
    { packageRoot: '/srv/app/node_modules/postern', npmPrefix: '/usr' },
    ['npm install --prefix /srv/app postern@1.2.3'],
  ],
  [
    'from a clone',
    { packageRoot: '/srv/postern', npmPrefix: '/usr' },
    ['cd /srv/postern', 'git checkout v1.2.3', 'npm ci', 'npm run build'],
  ],
])('upgradeCommands() upgrades what was installed %s', (_, installation, expected) => {
  expect(upgradeCommands('1.2.3', { ...installation, units: [] })).toEqual(expected);
});

it('upgradeCommands() has every service take the version over', () => {
  const units = ['postern-gateway', 'postern-connector@web'];
  expect(upgradeCommands('1.2.3', { packageRoot: global, npmPrefix: '/usr', units })).toEqual([
    'npm install -g postern@1.2.3',
    'systemctl reload postern-gateway',
    'systemctl reload postern-connector@web',
  ]);
});
