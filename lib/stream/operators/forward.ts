/** Carries rows of earlier stages to an output of a later one, for an output that is a union over stages. */
import type { OperatorDefinition } from '../graph/operator-definition.ts';

export const FORWARD: OperatorDefinition = {
  kind: 'forward',
  eventTime: 'kept',
  layout: () => '',
  make: (name) => ({
    name,
    tables: [],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    run([batch], context) {
      const { count, times } = batch!;
      for (let i = 0; i < count; i++) context.emit(0, batch!.peek(i), times[i]!, batch, i);
    },
  }),
};
