/**
 * The late rows of windows that nothing else in the job gathers: keeps no state, lets through what is too late for every
 * window of its.
 */

import type { Operator } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import { type FixedWindowSpec, lastWindowEnd, windowText } from '../graph/window-spec.ts';

/** @param windows as `windowFold` of the same windows gets it */
export function lateRows(spec: FixedWindowSpec, windows: object): OperatorDefinition {
  return {
    kind: 'late',
    eventTime: 'kept',
    sideOutputOf: windows,
    layout: () => windowText(spec),
    make: (name) => lateOperator(name, spec),
  };
}

function lateOperator(name: string, spec: FixedWindowSpec): Operator {
  return {
    name,
    tables: [],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    run([batch], context) {
      const { count, times, primary, late } = batch!;
      if (context.mode === 'complete') return;
      let found = 0;
      for (let i = 0; i < count; i++) {
        if (lastWindowEnd(spec, times[i]!) > late) continue;
        const taken = context.emit(0, batch!.peek(i), times[i]!, batch, i);
        if (taken && primary?.[i] === 1) found++;
      }
      if (found > 0) context.fates.late(found);
    },
  };
}
