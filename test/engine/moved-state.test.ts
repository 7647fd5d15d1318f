/** A state that moves on while a batch is computed on it: nothing of that batch counts, nor what it runs into. */
import { expect, it } from 'vitest';
import { compute } from '../../lib/batch/compute.ts';
import { job, source, sum, tumbling } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock, gather, openEngine, physical } from '../helpers/engine.ts';

interface Row {
  readonly k: string;
  readonly t: number;
}

it('drops a batch on which another environment has closed its window meanwhile', async () => {
  const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: '1 second' }).keyBy((r) => r.k);
  const made = physical(
    job('moved', rows.window(tumbling('10 seconds')).aggregate({ total: sum((r: Row) => r.t) }), { partitions: 1 }),
  );
  const { engine, env } = await openEngine({ job: made, store: new MemoryStore({ clock: new FastClock() }) });
  const { plan } = await engine.batch(gather(made, { rows: [{ k: 'a', t: 1000 }] }, 'first'));
  const { state } = engine.stages[0]![0]!;
  const { inputs } = gather(made, { rows: [{ k: 'a', t: 2000 }] }, 'second');
  const second = { ...plan, plan: { ...plan.plan, n: 2 } };
  const computing = {
    context: env,
    place: { stage: 0, partition: 0 },
    state,
    reload: async () => {},
    publishedThrough: () => 1,
  };
  const attempt = () => compute(computing, { plan: second, input: inputs[0]!, batch: state.begin() });
  const computed = await attempt();
  expect(computed?.changes.count).toBe(1);

  // Somebody else's batch 2 has closed the window.
  const begin = state.begin();
  state.adoptEntry(2, 'hash of another', [], [[0, 10_000]]);
  expect(await compute(computing, { plan: second, input: inputs[0]!, batch: begin })).toBeUndefined();
});
