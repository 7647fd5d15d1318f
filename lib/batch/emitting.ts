/** Where the rows of one operator go in a batch: on, to an output, or aside. */
import type { OperatorNode } from '../stream/compile/physical.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../stream/graph/operator.ts';
import { assertPlain } from '../util/plain-data.ts';
import type { Asides } from './asides.ts';
import type { StageResults } from './stage-results.ts';

export interface Emitter {
  readonly node: OperatorNode;
  /** Number of the operator in its stage. */
  readonly number: number;
  readonly inputs: readonly RowBatch[];
  readonly results: StageResults;
  readonly asides: Asides;
}

export function emitting({
  node,
  number,
  inputs,
  results,
  asides,
}: Emitter): Pick<OperatorContext, 'emit' | 'lines' | 'refuse' | 'mayRefuse'> {
  /** Rows sent on, and results refused, so far: places that are the same whenever the batch is run. */
  let sent = 0;
  return {
    mayRefuse: asides.mayRefuse,
    emit(port, row, time, of, index = -1) {
      sent++;
      results.begin();
      try {
        checkEmitted(node.operator.name, row);
        node.emit[port]!(row, time, results);
        return true;
      } catch (error) {
        if (!(error instanceof OperatorFailure)) throw error;
        results.undo();
        asides.refuse(`${number}>${sent}`, error, of === undefined ? row : of.row(index), of, index);
        return false;
      }
    },
    lines(port) {
      const output = node.results[port];
      const to = output === undefined ? undefined : results.linesOf(output);
      if (to === undefined) return undefined;
      return {
        line(text) {
          sent++;
          to.line(text);
        },
        lines(count, bytes) {
          sent += count;
          to.lines(count, bytes);
        },
      };
    },
    refuse(failure, of) {
      const place = of === undefined ? `${number}>${++sent}` : `${number}<${inputs.indexOf(of)}:${failure.index}`;
      asides.refuse(place, failure, failure.row, of, failure.index);
    },
  };
}

/** What an operator makes of the values of user functions must be plain data, too, or it would leave as something else. */
function checkEmitted(operator: string, row: unknown): void {
  try {
    assertPlain(row);
  } catch (error) {
    throw new OperatorFailure(operator, undefined, -1, error);
  }
}
