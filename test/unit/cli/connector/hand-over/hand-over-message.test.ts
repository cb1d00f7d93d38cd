import { describe, expect, it } from '@jest/globals';

import {
  parsePredecessorMessage,
  parseSuccessorMessage,
  type PredecessorMessage,
  type SuccessorMessage,
} from '../../../../../src/cli/connector/hand-over/hand-over-message.ts';

const RUN = { pid: 7, replica: 'r', links: 4, version: '1.2.3' };

const OF_SUCCESSORS: readonly SuccessorMessage[] = [
  { type: 'listener', address: '127.0.0.1:0' },
  { type: 'lent', isThere: true },
  { type: 'linked' },
  { type: 'registered', run: RUN },
  { type: 'trouble', code: 'LINK_DNS', message: 'Cannot resolve' },
  { type: 'failed', code: 'CONFIG_INVALID', message: 'Cannot read' },
  { type: 'reload' },
  { type: 'succeeded' },
];

const OF_PREDECESSORS: readonly PredecessorMessage[] = [
  { type: 'listener', isThere: false },
  { type: 'lend', address: '127.0.0.1:0' },
  { type: 'replaced' },
  { type: 'drain' },
  { type: 'stop' },
  { type: 'main', draining: ['/run/a.sock'] },
  { type: 'reloaded', outcome: { started: RUN, draining: 6 } },
  { type: 'not-reloaded', code: 'CLI_FAILED', message: 'Cannot reload' },
];

const ODD = [undefined, null, 7, 'drain', [], {}, { type: 1 }, { type: 'constructor' }];

describe('what a connector and its successor say', () => {
  it.each(OF_SUCCESSORS)('is read as it was meant: %j', (message) => {
    expect(parseSuccessorMessage({ ...message, later: true })).toEqual(message);
  });

  it.each(OF_PREDECESSORS)('is obeyed as it was meant: %j', (message) => {
    expect(parsePredecessorMessage({ ...message, later: true })).toEqual(message);
  });

  it.each(ODD)('means nothing where it is not known: %j', (value) => {
    expect(parseSuccessorMessage(value)).toBeUndefined();
    expect(parsePredecessorMessage(value)).toBeUndefined();
  });

  it('has something in the place of every field that another version leaves out', () => {
    expect(parseSuccessorMessage({ type: 'registered', run: { pid: '7' } })).toEqual({
      type: 'registered',
      run: { pid: 0, replica: '', links: 0, version: '' },
    });
    expect(parsePredecessorMessage({ type: 'main', draining: ['a', 7] })).toEqual({
      type: 'main',
      draining: ['a'],
    });
  });
});
