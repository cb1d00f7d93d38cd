import { createHash } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import {
  DEMO_POLICY,
  renderDemoPage,
  renderDemoText,
} from '../../../../src/cli/quickstart/demo-page.ts';

const JOURNEY = {
  gateway: '127.0.0.1:8443',
  replica: '0f04eef5-7a4c-4f1b-9a55-5a1f0c6f3d11',
  origin: '127.0.0.1:40001',
  commands: [`postern tunnel list --config '/home/a&b/gateway.yaml'`],
};
const REQUEST = {
  client: '127.0.0.1',
  requestId: '7952a873d5024825',
  method: 'GET',
  url: '/<script>alert(1)</script>',
  headers: [['user-agent', `"><img src=x onerror='alert(1)'>`]],
} as const;

describe('the demo page', () => {
  it('draws the way of the request, in order', () => {
    const page = renderDemoPage(JOURNEY, REQUEST);
    const places = [REQUEST.client, JOURNEY.gateway, '0f04eef5', JOURNEY.origin];
    const found = places.map((place) => page.indexOf(`<code>${place}</code>`));
    expect(found).not.toContain(-1);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
  });

  it('escapes everything that comes from elsewhere', () => {
    const page = renderDemoPage(JOURNEY, REQUEST);
    expect(page).not.toMatch(/<script|<img/);
    expect(page).toContain('GET /&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('--config &#39;/home/a&amp;b/gateway.yaml&#39;');
  });

  it('has a policy that allows its own style and nothing else', () => {
    const style = /<style>([^]*)<\/style>/.exec(renderDemoPage(JOURNEY, REQUEST))?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(DEMO_POLICY).toContain(`style-src 'sha256-${hash}'`);
    expect(DEMO_POLICY).toContain("default-src 'none'");
  });

  it('is drawn for terminals too', () => {
    const text = renderDemoText(JOURNEY, REQUEST);
    expect(text).toMatch(/^It works\.\n[^]*127\.0\.0\.1:8443[^]*0f04eef5[^]*127\.0\.0\.1:40001/);
    expect(text).toContain('Request id: 7952a873d5024825\n');
  });
});
