/**
 * Puts a function together: settings, job, services and what the function keeps from one invocation to the next are opened
 * by the first invocation that needs them, and again by the next if that failed.
 */
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type { Job } from '../stream/api/job.ts';
import { systemClock } from '../util/clock.ts';
import { type FunctionEnvironment, openEnvironment } from './function-environment.ts';
import { asInvocation, type Invocation } from './invocation.ts';
import { type FunctionName, type Observed, observe } from './observe.ts';
import { openServices } from './open-services.ts';
import type { Fields } from './report.ts';
import { readSettings, type Settings } from './settings.ts';
import { afterWork, answerSqs, type SqsFunction } from './sqs-function.ts';
import { keepTrace } from './trace.ts';

export interface LambdaOptions<S> {
  readonly name: FunctionName;
  readonly job: Job<unknown>;
  /** Fields that every line of log carries. */
  readonly fields?: Fields;
  /** Keeps blocks of state on the local disk. */
  readonly cached?: boolean;
  /** Makes what the function keeps between invocations. */
  readonly open: (env: FunctionEnvironment) => S;
}

interface Opened<S> {
  readonly env: FunctionEnvironment;
  readonly state: S;
  readonly flushTrace: () => Promise<void>;
}

/** A function fed by a queue, or by several. @param feed URL of the queue that these records come from */
export function sqsLambda<S>(
  options: LambdaOptions<S> & {
    readonly feed: (settings: Settings, records: readonly SQSRecord[]) => string | undefined;
    readonly atOnce?: SqsFunction['atOnce'];
    readonly work: (
      state: S,
      records: readonly SQSRecord[],
      invocation: Invocation,
    ) => Promise<ReadonlyMap<string, unknown>>;
    /** After each invocation that ends in good order, beyond its deadline too. Best effort. */
    readonly ended?: (state: S) => Promise<void>;
  },
): (event: SQSEvent, context: Context) => Promise<SQSBatchResponse> {
  const report = observe(options.name, options.fields);
  const opened = once(() => open(options, report));
  return async (event, context) => {
    report.begin(context);
    try {
      const { env, state, flushTrace } = await opened();
      const url = options.feed(env.settings, event.Records);
      const queue = url === undefined ? undefined : env.queue(url);
      return await answerSqs(event, context, {
        clock: systemClock,
        report,
        queue,
        atOnce: options.atOnce,
        work: (records, invocation) => options.work(state, records, invocation),
        ended: async () => {
          await Promise.all([options.ended?.(state), flushTrace()]);
        },
      });
    } finally {
      report.end();
    }
  };
}

/** A function that is invoked with an event of its own. */
export function eventLambda<S, E>(
  options: LambdaOptions<S> & { readonly work: (state: S, event: E, invocation: Invocation) => Promise<void> },
): (event: E, context: Context) => Promise<void> {
  const report = observe(options.name, options.fields);
  const opened = once(() => open(options, report));
  return async (event, context) => {
    report.begin(context);
    try {
      const { state, flushTrace } = await opened();
      const remainingMs = context.getRemainingTimeInMillis();
      await asInvocation(systemClock, { remainingMs, marginMs: 2000 }, (invocation) =>
        options.work(state, event, invocation),
      );
      await afterWork(systemClock, context, report, flushTrace);
    } finally {
      report.end();
    }
  };
}

async function open<S>({ job, name, cached, open: openState }: LambdaOptions<S>, report: Observed): Promise<Opened<S>> {
  const env = await openEnvironment(await openServices(job, readSettings(process.env), report, cached));
  const flushTrace = env.settings.trace ? keepTrace(env, report, name) : async (): Promise<void> => {};
  return { env, state: openState(env), flushTrace };
}

/** The result of the first call that succeeds. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
