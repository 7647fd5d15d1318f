/** Which outputs a job has, the quarantine among them, and in which partitions they have results. */
import { QUARANTINE, QUARANTINE_PARTITION } from '../../batch/run-operators.ts';
import type { OutputSpec } from '../../stream/physical.ts';

const QUARANTINED: OutputSpec = { name: QUARANTINE, kind: 'append', stage: 0 };

export function allOutputs(outputs: readonly OutputSpec[]): OutputSpec[] {
  return [...outputs, QUARANTINED];
}

export function partitionsOf({ name }: OutputSpec, partitions: number): number[] {
  if (name === QUARANTINE) return [QUARANTINE_PARTITION];
  return Array.from({ length: partitions }, (_, partition) => partition);
}

export function partsOf(
  outputs: readonly OutputSpec[],
  partitions: number,
): (OutputSpec & { readonly partition: number })[] {
  return allOutputs(outputs).flatMap((output) =>
    partitionsOf(output, partitions).map((partition) => ({ ...output, partition })),
  );
}

/** An output's name as files have it: `quarantine`, which no job can call an output of its own. */
export function plainName(output: string): string {
  return output.replace(/^_/, '');
}
