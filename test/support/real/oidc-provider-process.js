/**
 * npm's oidc-provider as a program: plain JavaScript, since Node 20 runs no TypeScript.
 *
 * OIDC_PROVIDER holds JSON: `authOrigin` (of the gateway), `id` (of the provider there), `caFile` (for back-channel
 * logout), `accounts` (claims by login name). Its login page takes any password and signs in for ever.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';
import { Agent, fetch } from 'undici';

const { authOrigin, id, caFile, accounts } = JSON.parse(process.env.OIDC_PROVIDER);

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

/** The gateway is at home here, whatever it is called. */
function askGateway(url, options) {
  const dispatcher = new Agent({
    connect: {
      ca: readFileSync(caFile),
      lookup: (_host, how, done) =>
        how.all === true
          ? done(null, [{ address: '127.0.0.1', family: 4 }])
          : done(null, '127.0.0.1', 4),
    },
  });
  return fetch(url, { ...options, dispatcher });
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'postern',
      client_secret: 'a-secret-that-only-two-know',
      redirect_uris: [`${authOrigin}/.postern/oidc/${id}/callback`],
      post_logout_redirect_uris: [`${authOrigin}/.postern/signed-out`],
      backchannel_logout_uri: `${authOrigin}/.postern/oidc/${id}/back-channel-logout`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'groups'],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ['only-for-tests'] },
  features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
  fetch: (url, options) => askGateway(url, options),
  findAccount: (_ctx, name) =>
    accounts[name] && {
      accountId: name,
      claims: () => ({ sub: name, email_verified: true, ...accounts[name] }),
    },
  interactions: { url: (_ctx, { uid }) => `/login/${uid}` },
  issueRefreshToken: () => true,
  async loadExistingGrant({ oidc }) {
    const { client, session } = oidc;
    const known = session.grantIdFor(client.clientId);
    if (known !== undefined) return oidc.provider.Grant.find(known);
    const grant = new oidc.provider.Grant({
      clientId: client.clientId,
      accountId: session.accountId,
    });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: 300, IdToken: 300, Interaction: 600, Session: 3600, Grant: 3600 },
});

const FORM = `<!doctype html><html lang="en"><title>Provider</title><h1>Test provider</h1>
<form method="post"><label>Login <input name="login" autofocus></label> <button>Sign in</button></form></html>`;

const answer = provider.callback();
server.on('request', (request, response) => {
  if (request.url.startsWith('/login/')) void showLogin(request, response);
  else void answer(request, response);
});

async function showLogin(request, response) {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html' });
    return response.end(FORM);
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const accountId = new URLSearchParams(Buffer.concat(chunks).toString()).get('login');
  const login = { accountId, amr: ['pwd'], remember: true };
  return provider.interactionFinished(request, response, { login });
}

process.stdout.write(`listening ${issuer}\n`);
