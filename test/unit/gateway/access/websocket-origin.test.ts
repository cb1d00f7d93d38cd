import { describe, expect, it } from '@jest/globals';
import {
  foreignWebSocket,
  type WebSocketAsk,
} from '../../../../src/gateway/access/websocket-origin.ts';

const ask = (changes: Partial<WebSocketAsk>): string | undefined =>
  foreignWebSocket({
    host: 'wiki.example.com',
    origin: 'https://wiki.example.com',
    isTls: true,
    hasCookie: true,
    application: {},
    ...changes,
  });

describe('foreignWebSocket()', () => {
  it.each<[string, Partial<WebSocketAsk>]>([
    ['a page of the same origin', {}],
    ['one in other letters', { host: 'Wiki.Example.com', origin: 'https://WIKI.example.com' }],
    ['the port that is left out', { host: 'wiki.example.com:443' }],
    ['the same port', { host: 'wiki.example.com:8443', origin: 'https://wiki.example.com:8443' }],
    ['http where TLS does not end here', { origin: 'http://wiki.example.com', isTls: false }],
    ['https there, too', { isTls: false }],
    [
      'an origin that the application names',
      {
        origin: 'https://App.example.com',
        application: { websocketOrigins: ['https://app.example.com'] },
      },
    ],
    ['no Origin with a certificate', { origin: undefined, hasCookie: false }],
  ])('lets %s', (_name, changes) => expect(ask(changes)).toBeUndefined());

  it.each<[string, Partial<WebSocketAsk>]>([
    ['P27 another host', { origin: 'https://evil.example.com' }],
    ['P27 a host that begins like it', { origin: 'https://wiki.example.com.evil.test' }],
    ['P27 another port', { origin: 'https://wiki.example.com:8443' }],
    ['P27 http where it is TLS', { origin: 'http://wiki.example.com' }],
    ['P27 a page that hides where it is from', { origin: 'null' }],
    ['P27 two Origin fields', { origin: 'https://wiki.example.com,https://evil.test' }],
    ['P27 an empty one', { origin: '' }],
    ['P27 another host with a certificate', { origin: 'https://evil.test', hasCookie: false }],
    ['P28 a cookie without an Origin', { origin: undefined }],
  ])('refuses %s', (_name, changes) => expect(ask(changes)).toMatch(/^a WebSocket/));
});
