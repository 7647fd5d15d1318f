/**
 * Segment n: the input of micro-batch n after the stateless head, split by key into one section a partition, with each
 * section's sorted distinct keys beside it. Named by its hash, created once, so that a plan can only mean one segment.
 *
 * Sections: for partition p, 2p the keys by edge and 2p + 1 the rows.
 */
import { CorruptionError } from '../errors.ts';
import { decodeContainer, decodeHead, encodeContainer } from '../util/container.ts';
import { crc32 } from '../util/crc.ts';
import { contentHash } from '../util/hash.ts';
import { packRows, unpackRows } from '../util/pack.ts';
import { decodeInput, distinctKeys, encodeInput, type PartitionInput } from './rows.ts';

const MAGIC = 'MSEG';
const VERSION = 2;

export interface Segment {
  readonly hash: string;
  input(partition: number): PartitionInput;
  /** By edge: sorted distinct keys. */
  keys(partition: number): (string[] | undefined)[];
}

export interface EncodedSegment {
  readonly bytes: Uint8Array;
  readonly hash: string;
  /** The beginning of `bytes`, which the hash covers: where each partition's rows are, with their checksums. */
  readonly head: Uint8Array;
  /** By partition: its rows as they stand in `bytes`. */
  readonly rows: readonly Uint8Array[];
}

/** What the head of a segment says of the rows of one partition, so that they can be read, and verified, alone. */
export interface SectionPlace {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export function encodeSegment(inputs: readonly PartitionInput[]): EncodedSegment {
  const sections = inputs.flatMap((input) => [packRows(distinctKeys(input)), encodeInput(input)]);
  const { bytes, hash } = encodeContainer(MAGIC, VERSION, { partitions: inputs.length }, sections);
  const head = bytes.subarray(0, bytes.length - sections.reduce((sum, section) => sum + section.length, 0));
  return { bytes, hash, head, rows: sections.filter((_, i) => i % 2 === 1) };
}

/**
 * Where the rows of a partition are in the segment whose hash is `hash`.
 * @param head all before its first section, from wherever
 * @throws {CorruptionError} it is not the head of that segment
 */
export function sectionPlace(head: Uint8Array, hash: string, partition: number, object: string): SectionPlace {
  const { header, length: headLength } = decodeHead<{ partitions: number }>(MAGIC, VERSION, head, object, VERSION);
  if (contentHash(head.subarray(0, headLength)) !== hash) throw new CorruptionError(object, 'it is of another segment');
  const { sections } = header;
  const at = 2 * partition + 1;
  const [length, crc] = sections[at]!;
  const offset = sections.slice(0, at).reduce((sum, [size]) => sum + size, headLength);
  return { offset, length, crc };
}

/** One partition's rows, from a message or read alone. @throws {CorruptionError} they are not those of the segment */
export function decodeSection(bytes: Uint8Array, { length, crc }: SectionPlace, object: string): PartitionInput {
  if (bytes.length !== length || crc32(bytes) !== crc) {
    throw new CorruptionError(object, 'the checksum of a section is wrong');
  }
  return decodeInput(bytes);
}

/** @throws {CorruptionError} */
export function decodeSegment(bytes: Uint8Array, object: string): Segment {
  const container = decodeContainer<{ partitions: number }>(MAGIC, VERSION, bytes, object, VERSION);
  return {
    hash: container.hash,
    input: (p) => decodeInput(container.section(2 * p + 1)),
    keys: (p) => (unpackRows(container.section(2 * p)) as (string[] | null)[]).map((k) => k ?? undefined),
  };
}
