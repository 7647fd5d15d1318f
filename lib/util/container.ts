/**
 * How binary objects (log entries, segments, warm packs) are stored: a JSON header that says what follows, then sections
 * of bytes, each with a checksum of its own, so that a reader takes and verifies only what it needs.
 *
 *     magic 4 bytes | version u8 | header length u32 | header JSON | CRC-32 of all before, u32 | section 0 | section 1 | …
 *
 * The header's `sections` lists [length, CRC-32] of each section. The hash of an object is that of its head (all before
 * section 0), which vouches for the sections by their checksums.
 */
import { CorruptionError } from '../errors.ts';
import { asBuffer, ByteReader, ByteWriter } from './bytes.ts';
import { crc32 } from './crc.ts';
import { newerFormat, olderFormat } from './envelope.ts';
import { contentHash } from './hash.ts';

const FIXED = 9;

export interface Container<H> {
  readonly header: H;
  /** Hash of the head: identifies the object. */
  readonly hash: string;
  readonly sectionCount: number;
  /** Section i, verified. @throws {CorruptionError} */
  section(i: number): Uint8Array;
}

export interface EncodedContainer {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

export function encodeContainer(
  magic: string,
  version: number,
  header: object,
  sections: readonly Uint8Array[],
): EncodedContainer {
  const table = sections.map((s) => [s.length, crc32(s)]);
  const json = Buffer.from(JSON.stringify({ ...header, sections: table }));
  const body = sections.reduce((sum, s) => sum + s.length, 0);
  const writer = new ByteWriter(FIXED + json.length + 4 + body);
  writer.latin1(magic);
  writer.u8(version);
  writer.u32(json.length);
  writer.bytes(json);
  writer.u32(crc32(writer.view()));
  const hash = contentHash(writer.view());
  for (const section of sections) writer.bytes(section);
  return { bytes: writer.view(), hash };
}

/** The header of a container, and where its sections are. */
interface Head<H> {
  readonly header: H & { readonly sections: readonly (readonly [length: number, crc: number])[] };
  /** Bytes before section 0. */
  readonly length: number;
}

/**
 * The header alone, from the first bytes of an object.
 * @param object the object's name, for errors
 * @param oldest the oldest version that is still read
 * @throws {CorruptionError} not such an object, damaged, or longer than what was read
 * @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT`
 */
export function decodeHead<H>(magic: string, version: number, bytes: Uint8Array, object: string, oldest = 1): Head<H> {
  const bad = (what: string): CorruptionError => new CorruptionError(object, what);
  if (bytes.length < FIXED) throw bad(`it has only ${bytes.length} bytes`);
  const reader = new ByteReader(bytes);
  const found = reader.latin1(4);
  if (found !== magic) throw bad(`it begins with ${JSON.stringify(found)}, not ${JSON.stringify(magic)}`);
  const foundVersion = reader.u8();
  const length = reader.u32();
  if (length + 4 > reader.left) throw bad('it is cut off in the header');
  const json = reader.bytes(length);
  const headEnd = reader.at + 4;
  if (reader.u32() !== crc32(bytes.subarray(0, headEnd - 4))) throw bad('the checksum of its header is wrong');
  if (foundVersion > version) throw newerFormat(object, foundVersion, version);
  if (foundVersion < oldest) throw olderFormat(object, foundVersion, oldest);
  return { header: JSON.parse(asBuffer(json).toString('utf8')), length: headEnd };
}

/** As {@link decodeHead}, of a whole object. */
export function decodeContainer<H>(
  magic: string,
  version: number,
  bytes: Uint8Array,
  object: string,
  oldest = 1,
): Container<H> {
  const bad = (what: string): CorruptionError => new CorruptionError(object, what);
  const { header, length: headEnd } = decodeHead<H>(magic, version, bytes, object, oldest);
  const offsets: number[] = [];
  let end = headEnd;
  for (const [size] of header.sections) {
    offsets.push(end);
    end += size;
  }
  if (end !== bytes.length) throw bad(`it has ${bytes.length} bytes, and its header says ${end}`);
  return {
    header,
    hash: contentHash(bytes.subarray(0, headEnd)),
    sectionCount: offsets.length,
    section(i) {
      const [size, crc] = header.sections[i]!;
      const section = bytes.subarray(offsets[i]!, offsets[i]! + size);
      if (crc32(section) !== crc) throw bad(`the checksum of its section ${i} is wrong`);
      return section;
    },
  };
}
