/**
 * Segment n: the input of micro-batch n after the stateless head, split by key into one section a partition, with each
 * section's sorted distinct keys beside it. Named by its hash, created once, so that a plan can only mean one segment.
 *
 * Sections: for partition p, 2p the keys by edge and 2p + 1 the rows.
 */
import { decodeContainer, encodeContainer } from '../util/container.ts';
import { packRows, unpackRows } from '../util/pack.ts';
import { decodeInput, distinctKeys, encodeInput, type PartitionInput } from './rows.ts';

const MAGIC = 'MSEG';
const VERSION = 1;

export interface Segment {
  readonly hash: string;
  input(partition: number): PartitionInput;
  /** By edge: sorted distinct keys. */
  keys(partition: number): (string[] | undefined)[];
}

export function encodeSegment(inputs: readonly PartitionInput[]): { bytes: Uint8Array; hash: string } {
  const sections = inputs.flatMap((input) => [packRows(distinctKeys(input)), encodeInput(input)]);
  return encodeContainer(MAGIC, VERSION, { partitions: inputs.length }, sections);
}

/** @throws {CorruptionError} */
export function decodeSegment(bytes: Uint8Array, object: string): Segment {
  const container = decodeContainer<{ partitions: number }>(MAGIC, VERSION, bytes, object);
  return {
    hash: container.hash,
    input: (p) => decodeInput(container.section(2 * p + 1)),
    keys: (p) => (unpackRows(container.section(2 * p)) as (string[] | null)[]).map((k) => k ?? undefined),
  };
}
