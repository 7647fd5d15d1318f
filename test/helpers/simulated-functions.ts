/** The functions of a job as their entry points put them together, on whatever services a simulation gives them. */
import type { SQSRecord } from 'aws-lambda';
import { BatchFunction } from '../../lib/aws/batch-function.ts';
import { CommitFunction } from '../../lib/aws/commit-function.ts';
import { deliveryOf } from '../../lib/aws/deliveries.ts';
import { foldRecords } from '../../lib/aws/fold-records.ts';
import type { FunctionEnvironment } from '../../lib/aws/function-environment.ts';
import { Ingest } from '../../lib/aws/ingest.ts';
import type { InputObjects } from '../../lib/aws/input-objects.ts';
import type { Invocation } from '../../lib/aws/invocation.ts';
import { Maintain } from '../../lib/aws/maintain.ts';
import { decodeMessage } from '../../lib/aws/messages.ts';
import { PreloadFunction } from '../../lib/aws/preload-function.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { eachRecord, triesOf } from '../../lib/aws/sqs-function.ts';

export type SimulatedWork = (
  records: readonly SQSRecord[],
  invocation: Invocation,
) => Promise<ReadonlyMap<string, unknown>>;

/** Queues are named `input`, `fold`, `compact`, `plan` and `s0/p0`. */
export function simulatedSettings(inputs: Settings['inputs'], overwritten: Settings['overwritten']): Settings {
  return {
    store: { kind: 'directory', path: '' },
    inputs,
    overwritten,
    inputQueue: 'input',
    partitions: undefined,
    batchQueue: (stage, partition) => `s${stage}/p${partition}`,
    foldQueue: 'fold',
    compactQueue: 'compact',
    planQueue: 'plan',
    cacheBytes: 0,
    trace: false,
  };
}

export interface SimulatedFunction {
  readonly work: SimulatedWork;
  /** After each invocation that ends in good order. */
  readonly ended?: () => Promise<void>;
}

/** @param name its queue's, or `maintain`, which takes its event for a record */
export function simulatedFunction(name: string, env: FunctionEnvironment, objects: InputObjects): SimulatedFunction {
  if (name === 'input') {
    const ingest = new Ingest(env, objects);
    return { work: (records, invocation) => ingest.run(records.map(deliveryOf), invocation) };
  }
  if (name === 'fold') {
    const state = new CommitFunction(env);
    return { work: (records) => foldRecords(state, records) };
  }
  if (name === 'compact') {
    const state = new CommitFunction(env);
    return {
      work: (records, invocation) =>
        eachRecord(records, ({ body }) => state.compact(decodeMessage(body, 'compact'), invocation)),
    };
  }
  if (name === 'plan') {
    const state = new PreloadFunction(env);
    return {
      work: (records) => eachRecord(records, async ({ body }) => void (await state.run(decodeMessage(body, 'plan')))),
    };
  }
  if (name === 'maintain') {
    const state = new Maintain(env, objects);
    return {
      work: async ([record], invocation) => {
        await state.run(record === undefined ? { force: true } : JSON.parse(record.body), invocation);
        return new Map();
      },
    };
  }
  const [stage, partition] = name.split('/').map((part) => Number(part.slice(1)));
  const state = new BatchFunction(env, { stage: stage!, partition: partition! });
  return {
    work: (records, invocation) =>
      eachRecord(records, (record) => state.run(decodeMessage(record.body, 'batch'), invocation, triesOf(record))),
    ended: () => state.ended(),
  };
}

/** All that a function does in an invocation. */
export function simulatedWork(name: string, env: FunctionEnvironment, objects: InputObjects): SimulatedWork {
  const { work, ended } = simulatedFunction(name, env, objects);
  return async (records, invocation) => {
    const failed = await work(records, invocation);
    if (invocation.live) await ended?.();
    return failed;
  };
}
