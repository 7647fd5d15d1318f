/** Which outputs a job has, the quarantine among them, and in which partitions they have results. */
import { quarantineOf } from '../../job/outputs.ts';
import type { OutputSpec } from '../../stream/compile/physical.ts';

/** @param stages their number: operators of each may set rows aside */
export function allOutputs(outputs: readonly OutputSpec[], stages: number): OutputSpec[] {
  const asides = Array.from({ length: stages }, (_, stage) => stage);
  return [...outputs, ...asides.map((stage): OutputSpec => ({ name: quarantineOf(stage), kind: 'append', stage }))];
}

export function partitionsOf(partitions: number): number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}

export function partsOf(
  outputs: readonly OutputSpec[],
  { stages, partitions }: { readonly stages: number; readonly partitions: number },
): (OutputSpec & { readonly partition: number })[] {
  return allOutputs(outputs, stages).flatMap((output) =>
    partitionsOf(partitions).map((partition) => ({ ...output, partition })),
  );
}

/** An output's name as files have it: `quarantine`, which no job can call an output of its own. */
export function plainName(output: string): string {
  return output.replace(/^_/, '');
}
