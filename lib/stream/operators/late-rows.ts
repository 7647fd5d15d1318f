/**
 * The late rows of windows that nothing else in the job gathers: keeps no state, lets through what is too late for every
 * window of its.
 */

import type { Operator } from '../graph/operator.ts';
import { type FixedWindowSpec, lastWindowEnd } from '../graph/window-spec.ts';

export function lateRows(name: string, spec: FixedWindowSpec): Operator {
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
