/**
 * The functions together, on simulated queues: whatever happens to messages and functions, each piece is planned once
 * (invariant 10), and results and state are those of a sequential run of the plans (invariants 3, 4, 12).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MisaError } from '../../lib/errors.ts';
import { FlushUnderWayError } from '../../lib/plan/planner.ts';
import { FLUSH, insideBytesOf, isFlush, outcomeOf, physical, type ScriptBatch } from '../helpers/engine.ts';
import { anyScript, JOB_KINDS, JOBS, type JobKind, sampleScript } from '../helpers/engine-jobs.ts';
import { type Faults, SimulatedAws, sequentialOutcome } from '../helpers/simulated-aws.ts';

const FAULTS: Record<string, Faults> = {
  'nothing goes wrong': {},
  'messages are dropped, doubled and shuffled': { drop: 0.2, double: 0.2, shuffle: 0.5 },
  'functions are killed': { kill: 0.25 },
  'functions race': { race: 0.6, double: 0.2 },
  'environments are thrown away': { cold: 0.5 },
  'preload functions always fail': { noPreload: true, cold: 0.5 },
  'the store is slow to take requests': { busy: 0.05 },
  'the store leaves requests without an answer': { timeOut: 0.05 },
  'all of it': { drop: 0.15, double: 0.15, shuffle: 0.4, kill: 0.15, race: 0.4, cold: 0.2, busy: 0.02, timeOut: 0.02 },
};

/** With a flush in the middle. */
function flushedIn(script: readonly ScriptBatch[]): ScriptBatch[] {
  return [...script.slice(0, 3), FLUSH, ...script.slice(3)];
}

async function run(kind: JobKind, script: readonly ScriptBatch[], faults: Faults, seed: number, partitions = 3) {
  const job = physical(JOBS[kind](), { partitions, trigger: { maxRows: 10, maxBytes: 1 << 20, maxWaitMs: 0 } });
  const aws = new SimulatedAws(job, seed, faults);
  aws.insideBytes = insideBytesOf(seed);
  const sent = new Map<string, readonly unknown[]>();
  const flushes = ['flush'];
  let ids = 0;
  for (const batch of script) {
    for (const [source, rows] of Object.entries(batch)) {
      const id = `rows-${ids++}`;
      if (isFlush(batch)) {
        aws.send({ misa: 1, control: 'flush', id });
        flushes.push(id);
        continue;
      }
      sent.set(`message ${id}`, rows);
      aws.send({ misa: 1, source, rows, id });
    }
    if (seed % 3 === 0) await aws.settleAndResume();
  }
  await aws.settleAndResume();
  aws.send({ misa: 1, control: 'flush', id: 'flush' });
  await aws.settleAndResume();
  // What the store did not do for now is told, and the message comes again. Nothing else goes wrong.
  const expected = (error: unknown): boolean =>
    /killed/.test(String(error)) || error instanceof FlushUnderWayError || isTransient(error);
  expect(aws.errors.filter((error) => !expected(error))).toEqual([]);
  expect(aws.dead).toEqual([]);
  return { aws, job, sent, flushes };
}

function isTransient(error: unknown): boolean {
  return error instanceof MisaError && ['STORE_BUSY', 'STORE_TIMEOUT'].includes(error.code);
}

async function check({ aws, job, sent, flushes }: Awaited<ReturnType<typeof run>>) {
  const outcome = await sequentialOutcome(aws.plans, job, (name) => sent.get(name)!);
  const found = await outcomeOf(aws.store, job);
  expect(found.published).toEqual(outcome.published);
  expect(found.state).toEqual(outcome.state);
  const pieces = aws.plans.flatMap((plan) => plan.pieces.map((piece) => `${piece.name} ${piece.from}`));
  const wanted = [...sent].filter(([, rows]) => rows.length > 0).map(([name]) => `${name} 0`);
  expect(pieces.sort()).toEqual([...wanted, ...flushes.map((id) => `message ${id} 0`)].sort());
}

describe.each(Object.entries(FAULTS))('when %s', (_, faults) => {
  it.each(JOB_KINDS)('job %s gives what a sequential run gives', async (kind) => {
    for (const seed of [1, 2, 3]) await check(await run(kind, flushedIn(sampleScript(kind, 6)), faults, seed));
  });
});

it('gives what a sequential run gives, whatever the rows, the job and the faults', async () => {
  const chance = fc.double({ min: 0, max: 0.5, noNaN: true });
  const anyFaults = fc.record({
    drop: chance,
    double: chance,
    shuffle: chance,
    kill: chance,
    race: chance,
    cold: chance,
    // A function makes dozens of requests, and each of them may fail its delivery.
    busy: fc.double({ min: 0, max: 0.04, noNaN: true }),
    timeOut: fc.double({ min: 0, max: 0.04, noNaN: true }),
  });
  const anyCase = fc
    .constantFrom(...JOB_KINDS)
    .chain((kind) =>
      fc.tuple(fc.constant(kind), anyScript(kind, 6), anyFaults, fc.nat(1e6), fc.constantFrom(1, 2, 3, 3)),
    );
  await fc.assert(
    fc.asyncProperty(anyCase, async ([kind, script, faults, seed, partitions]) => {
      await check(await run(kind, script, faults, seed, partitions));
    }),
    { numRuns: 60 },
  );
});

it('has segments inside their plans, apart from them, and both in one run, by its seed', async () => {
  const found = [];
  for (const seed of [0, 1, 2]) {
    const { aws } = await run('union', sampleScript('union', 6), {}, seed);
    const withRows = aws.plans.filter(({ segment }) => segment !== null);
    const inside = withRows.filter(({ segmentBytes }) => segmentBytes !== undefined);
    found.push([inside.length > 0, inside.length < withRows.length]);
  }
  expect(found).toEqual([
    [true, false],
    [false, true],
    [true, true],
  ]);
});
