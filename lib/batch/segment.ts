/**
 * Segment n: the input of micro-batch n after the stateless head, split by key into one section a partition, with each
 * section's sorted distinct keys beside it. Named by its hash, created once, so that a plan can only mean one segment.
 *
 * Sections: for partition p, 2p the keys by edge and 2p + 1 the rows.
 */
import { CorruptionError } from '../errors.ts';
import { decodeContainer, encodeContainer } from '../util/container.ts';
import { crc32 } from '../util/crc.ts';
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

/** Where a partition's rows are in a stored segment, so that it can be read alone. */
export interface SectionPlace {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export interface EncodedSegment {
  readonly bytes: Uint8Array;
  readonly hash: string;
  /** By partition: its rows as they stand in `bytes`. */
  readonly rows: readonly { readonly bytes: Uint8Array; readonly place: SectionPlace }[];
}

export function encodeSegment(inputs: readonly PartitionInput[]): EncodedSegment {
  const sections = inputs.flatMap((input) => [packRows(distinctKeys(input)), encodeInput(input)]);
  const { bytes, hash } = encodeContainer(MAGIC, VERSION, { partitions: inputs.length }, sections);
  let offset = bytes.length - sections.reduce((sum, section) => sum + section.length, 0);
  const rows: EncodedSegment['rows'][number][] = [];
  for (const [i, section] of sections.entries()) {
    const { length } = section;
    if (i % 2 === 1) rows.push({ bytes: section, place: { offset, length, crc: crc32(section) } });
    offset += length;
  }
  return { bytes, hash, rows };
}

/** One partition's rows, read alone. @throws {CorruptionError} */
export function decodeSection(bytes: Uint8Array, { length, crc }: SectionPlace, object: string): PartitionInput {
  if (bytes.length !== length || crc32(bytes) !== crc) {
    throw new CorruptionError(object, 'the checksum of a section is wrong');
  }
  return decodeInput(bytes);
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
