/** Answers that lead a browser on. */
import type { WebResponse } from '../web-message.ts';

/** Sends the browser to `url` with GET. The caller made the URL or has checked it. */
export function redirect(url: string, headers: WebResponse['headers'] = []): WebResponse {
  return {
    status: 303,
    headers: [
      ['location', url],
      ['cache-control', 'no-store'],
      ['referrer-policy', 'no-referrer'],
      ...headers,
    ],
    body: '',
  };
}
