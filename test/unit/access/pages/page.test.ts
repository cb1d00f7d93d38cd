import { createHash } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import { chooserPage } from '../../../../src/access/pages/chooser-page.ts';
import { deniedPage } from '../../../../src/access/pages/denied-page.ts';
import { html } from '../../../../src/access/pages/html.ts';
import { homePage } from '../../../../src/access/pages/home-page.ts';
import { page } from '../../../../src/access/pages/page.ts';
import { headerOf } from '../../../support/sign-in.ts';

const EVIL = `"><script>alert('x')</script>&\u202e\u001b`;

describe('html', () => {
  it('A7 escapes whatever is not HTML already', () => {
    expect(html`<p title="${EVIL}">${EVIL}</p>`.text).toBe(`<p title="${SAFE}">${SAFE}</p>`);
    expect(html`${html`<b>${1}</b>`}${[html`<i></i>`, html`<u></u>`]}${undefined}`.text).toBe(
      '<b>1</b><i></i>\n<u></u>',
    );
  });
});

const SAFE = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\ufffd\ufffd';

describe('page()', () => {
  const made = page({ title: 'A & B', body: html`<p>text</p>`, requestId: 'r1' });
  const policy = headerOf(made, 'content-security-policy') ?? '';

  it('allows its own style by its hash, and no script, frame or other address', () => {
    const style = /<style>([^]*)<\/style>/.exec(String(made.body))?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(policy).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(made.body).not.toMatch(/<script|style="|\son\w+="/);
  });

  it('is never stored, sniffed or framed', () => {
    expect(headerOf(made, 'cache-control')).toBe('no-store');
    expect(headerOf(made, 'x-content-type-options')).toBe('nosniff');
    expect(headerOf(made, 'x-frame-options')).toBe('DENY');
    expect(headerOf(made, 'referrer-policy')).toBe('same-origin');
  });

  it('has a language, a title, a heading and the request id', () => {
    expect(made.body).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(made.body).toContain('<title>A &amp; B</title>');
    expect(made.body).toContain('<h1>A &amp; B</h1>');
    expect(made.body).toContain('Request id: r1');
  });

  it('names the other origins its forms go to', () => {
    const other = page({ title: 'x', body: html``, formActions: ['https://idp.example'] });
    expect(headerOf(other, 'content-security-policy')).toContain(
      "form-action 'self' https://idp.example;",
    );
  });
});

const identity = {
  provider: 'corp',
  subject: EVIL,
  name: EVIL,
  groups: [EVIL],
  methods: [],
  claims: {},
};

describe('pages with what others wrote', () => {
  it('A7 the denied page says who one is, and nothing of the rule', () => {
    const denied = deniedPage({ identity, requestId: 'r1', switchUrl: 'https://auth.x/' });
    expect(denied.status).toBe(403);
    expect(denied.body).toContain(`<dd>${SAFE}</dd>`);
    expect(denied.body).not.toMatch(/polic|group|rule/i);
    const nobody = deniedPage({ requestId: 'r1', switchUrl: 'https://auth.x/' });
    expect(nobody.body).not.toContain('Signed in as');
  });

  it('A7 home and chooser escape names', () => {
    const home = homePage({
      identity,
      provider: EVIL,
      expiresAt: 0,
      logoutAction: '/out',
      revokeAction: '/revoke',
      sessions: [
        { id: EVIL, kind: 'browser', isCurrent: false, address: EVIL, agent: EVIL, createdAt: 0 },
      ],
    });
    const chooser = chooserPage([{ label: EVIL, url: `/x?${EVIL}` }]);
    for (const { body } of [home, chooser]) expect(body).not.toContain('<script');
  });
});
