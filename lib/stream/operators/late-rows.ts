/**
 * The late rows of windows that nothing else in the job gathers: keeps no state, lets through what is too late for every
 * window of its.
 */

import type { Calls } from '../graph/calls.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import { lastWindowEnd, type WindowSpec, windowText } from '../graph/window-spec.ts';
import { refuseBad, rowWindows } from './same-windows.ts';
import { rowSessions } from './session-gap.ts';

/** Tells each row whose last window has ended by `late`. */
type FindLate = (batch: RowBatch, context: OperatorContext, late: number, onLate: (i: number) => void) => void;

/** @param windows as `windowFold` of the same windows gets it */
export function lateRows(spec: WindowSpec, windows: object): OperatorDefinition {
  return {
    kind: 'late',
    eventTime: 'kept',
    sideOutputOf: windows,
    layout: () => windowText(spec),
    make: (name, { calls }) => lateOperator(name, findLate(spec, calls, name)),
  };
}

function lateOperator(name: string, find: FindLate): Operator {
  return {
    name,
    tables: [],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    run([batch], context) {
      const { times, primary, late } = batch!;
      let found = 0;
      find(batch!, context, context.mode === 'complete' ? -Infinity : late, (i) => {
        const taken = context.emit(0, batch!.peek(i), times[i]!, batch, i);
        if (taken && primary?.[i] === 1) found++;
      });
      if (found > 0) context.fates.late(found);
    },
  };
}

function findLate(spec: WindowSpec, calls: Calls, name: string): FindLate {
  switch (spec.kind) {
    case 'session':
      return rowSessions(spec, calls, name);
    case 'same':
      return (batch, context, late, onLate) => {
        rowWindows(batch, late, onLate, refuseBad(batch, context, name));
      };
    default:
      return ({ count, times }, _, late, onLate) => {
        for (let i = 0; i < count; i++) if (lastWindowEnd(spec, times[i]!) <= late) onLate(i);
      };
  }
}
