/**
 * `process`: an operator of the user's own, with state, maps, lists and timers a key. What a batch does is in `process-batch.ts`.
 *
 * Its rows have the event time that functions give them, else that of the row or timer they come of. All rows are seen, late ones, too. The watermark
 * goes on as it came: what comes of a row that was not late, or of a timer, is not late by its own time for whoever comes behind; what a
 * function gives a time at or before the watermark, and what comes of a late row, is.
 */

import { KeyColumn } from '../../columns/key-column.ts';
import type { Operator, OperatorContext, ReadPlan } from '../graph/operator.ts';
import type { Making, OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { Expiry } from './expiry.ts';
import { NEXT_KEY, ProcessBatch, type ProcessFunctions, type ProcessTables } from './process-batch.ts';
import type { ProcessCall } from './process-call.ts';
import type { StoredState } from './process-key.ts';

const STATES = 0;
const ENTRIES = 1;
const EVENT_TIMERS = 2;
const PROCESSING_TIMERS = 3;
const NEXT = 4;
const EXPIRY = 5;

export function processRows(given: ProcessFunctions): OperatorDefinition {
  return {
    kind: 'process',
    eventTime: 'kept',
    layout: () => '',
    make: (name, making) => processOperator(name, given, making),
  };
}

function processOperator(name: string, given: ProcessFunctions, { job, calls }: Making): Operator {
  const expiry = new Expiry(job.state.ttlMs ?? null, EXPIRY);
  let passed: ProcessCall;
  // The row is what is looked at; the context goes beside it.
  const onRow = calls.reads((row) => {
    const answer = given.onRow(row, passed);
    // A row that is refused at once is waited for by nobody: what becomes of its call then must not end the process.
    if (answer instanceof Promise) answer.catch(() => {});
    return answer;
  });
  const functions: ProcessFunctions = {
    ...given,
    onRow(row, call) {
      passed = call;
      return onRow(row);
    },
  };
  return {
    name,
    tables: [
      { name: 'states', kind: 'keyed' },
      { name: 'entries', kind: 'ordered' },
      { name: 'event-timers', kind: 'timed' },
      { name: 'processing-timers', kind: 'timed' },
      { name: 'next', kind: 'keyed' },
      ...expiry.tables,
    ],
    inputs: 1,
    outputs: 1,
    wakes: given.onTimer !== undefined,
    outputWatermark: (watermark) => watermark,
    reads([batch], coming) {
      const { keys } = batch!;
      const plans: ReadPlan[] = [
        { table: STATES, keys },
        { table: NEXT, keys: KeyColumn.of([NEXT_KEY]) },
      ];
      const { evict, previousEvict, processingTime } = coming;
      if (evict > previousEvict && evict < Infinity) {
        plans.push({ table: EVENT_TIMERS, after: previousEvict, upTo: evict });
      }
      plans.push({ table: PROCESSING_TIMERS, after: -Infinity, upTo: processingTime });
      return [...plans, ...expiry.reads(keys, coming)];
    },
    run([batch], context) {
      return new ProcessBatch(name, functions, tablesOf(context), expiry, context).run(batch!);
    },
  };
}

function tablesOf(context: OperatorContext): ProcessTables {
  const { tables } = context;
  return {
    states: tables[STATES] as StateTable<StoredState>,
    entries: context.ordered(ENTRIES) as ProcessTables['entries'],
    timers: {
      event: tables[EVENT_TIMERS] as StateTable<null>,
      processing: tables[PROCESSING_TIMERS] as StateTable<null>,
    },
    next: tables[NEXT] as StateTable<number>,
  };
}
