/** The bytes of HTTP/2 frames, as http2-bytes.js has them. */
export const FRAME: {
  readonly data: 0;
  readonly headers: 1;
  readonly priority: 2;
  readonly reset: 3;
  readonly settings: 4;
  readonly ping: 6;
  readonly goaway: 7;
  readonly windowUpdate: 8;
  readonly continuation: 9;
};

export const FLAG: { readonly ack: 1; readonly endStream: 1; readonly endHeaders: 4 };

export const PREFACE: string;

export function frame(type: number, flags: number, streamId: number, payload?: Buffer): Buffer;

export function uint32(value: number): Buffer;
