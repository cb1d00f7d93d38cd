#!/usr/bin/env node
/**
 * A browser in which somebody is signed in and who allows whatever a command asks: set as BROWSER. Hosts are all found at one address.
 *
 * FAKE_BROWSER: JSON of `port`, `ca` (file), `cookie`, and `log`, a file that gets a line for each address that was opened.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { request } from 'node:https';

const { port, ca, cookie, log } = JSON.parse(process.env.FAKE_BROWSER);
const address = process.argv[2];
appendFileSync(log, `${address}\n`);

function ask(url, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request({
      host: '127.0.0.1',
      port,
      servername: hostname,
      ca: readFileSync(ca),
      method,
      path: pathname + search,
      headers: { host, cookie, 'user-agent': 'Firefox', ...headers },
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode, location: response.headers.location, text });
      });
    });
    asked.end(body);
  });
}

const page = await ask(address);
const fields = new URLSearchParams({ answer: 'allow' });
const unescape = (text) =>
  text.replaceAll('&#39;', "'").replaceAll('&quot;', '"').replaceAll('&amp;', '&');
for (const [, name, value] of page.text.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
  fields.set(name, unescape(value));
}
const { origin, pathname } = new URL(address);
const answer = await ask(origin + pathname, {
  method: 'POST',
  headers: {
    origin,
    'sec-fetch-site': 'same-origin',
    'content-type': 'application/x-www-form-urlencoded',
  },
  body: fields.toString(),
});
const after = await new Promise((resolve) => {
  get(answer.location, (response) => {
    response.resume();
    resolve(response.headers.location);
  });
});
const done = await ask(after);
appendFileSync(log, `done ${done.status} ${/<title>([^<]*)/.exec(done.text)?.[1]}\n`);
