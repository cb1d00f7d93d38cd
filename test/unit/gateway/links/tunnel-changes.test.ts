import { beforeEach, describe, expect, it } from '@jest/globals';

import { TunnelChanges } from '../../../../src/gateway/links/tunnel-changes.ts';
import type { Tunnel } from '../../../../src/store/store.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { settle } from '../../protocol/turns.ts';

const tunnel = (id: string, rotatedAt?: number): Tunnel => ({
  id,
  name: `name of ${id}`,
  createdAt: 0,
  rotatedAt,
});

/** What is in the store. */
let stored: Map<string, Tunnel>;
let failure: Error | undefined;
let told: string[];
let changes: TunnelChanges;
let logged: string[];

beforeEach(() => {
  stored = new Map(['t', 'u'].map((id) => [id, tunnel(id)]));
  failure = undefined;
  told = [];
  logged = [];
  const read = async <T>(value: T): Promise<T> => {
    if (failure !== undefined) throw failure;
    return value;
  };
  changes = new TunnelChanges({
    // Only what it asks for.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    store: { tunnels: { find: async (id: string) => read(stored.get(id)) } } as never,
    log: createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line) => void logged.push(line) },
    }),
    connected: () => [tunnel('t'), tunnel('u')],
    loadRoutes: async () => {
      await read('');
      told.push('routes');
    },
    onDeleted: ({ id }) => void told.push(`${id} deleted`),
    onRotated: ({ id, rotatedAt }) => void told.push(`${id} rotated at ${rotatedAt}`),
  });
});

async function tick(): Promise<string[]> {
  changes.onTick();
  await settle();
  return told.splice(0);
}

describe('TunnelChanges', () => {
  it('reads the routes once for any number of changes, and not without any', async () => {
    changes.onChange({ kind: 'session', item: 's' });
    expect(await tick()).toEqual([]);
    changes.onChange({ kind: 'route', item: 'a.test' });
    changes.onChange({ kind: 'route', item: 'b.test' });
    expect(await tick()).toEqual(['routes']);
    expect(await tick()).toEqual([]);
  });

  it('tells of a tunnel that was rotated, deleted, or deleted without being connected here', async () => {
    stored.set('t', tunnel('t', 5));
    changes.onChange({ kind: 'tunnel', item: 't' });
    expect(await tick()).toEqual(['routes', 't rotated at 5']);
    stored.clear();
    changes.onChange({ kind: 'tunnel', item: 't' });
    changes.onChange({ kind: 'tunnel', item: 'elsewhere' });
    expect(await tick()).toEqual(['routes', 't deleted']);
  });

  it('looks at everything that is connected after it missed changes', async () => {
    stored.delete('u');
    changes.onMissed();
    expect(await tick()).toEqual(['routes', 't rotated at undefined', 'u deleted']);
  });

  it('looks again with the next tick when the store cannot be read, and complains once', async () => {
    failure = new Error('away');
    changes.onChange({ kind: 'tunnel', item: 't' });
    expect(await tick()).toEqual([]);
    expect(await tick()).toEqual([]);
    expect(logged).toHaveLength(1);
    failure = undefined;
    expect(await tick()).toEqual(['routes', 't rotated at undefined']);
    expect(await tick()).toEqual([]);
  });
});
