/**
 * How small control objects (job file, plans, manifests) are stored: JSON that a person can read, wrapped so that a
 * program can tell what it is, which version wrote it, and whether a byte of it was lost:
 *
 *     {"misa":"manifest","version":1,"crc":"89abcdef","body":{…}}
 *
 * `crc` is the CRC-32 of the bytes of the body, eight hex digits. The prefix has this form to the byte. Where other bytes stand behind
 * the envelope in its object, the header says the length of the body, so that a reader knows where it ends:
 *
 *     {"misa":"plan","version":2,"crc":"89abcdef","length":1234,"body":{…}}…
 */
import { crc32 } from 'node:zlib';
import { CorruptionError, MisaError } from '../errors.ts';

const HEADER = /^\{"misa":"([a-z-]+)","version":(\d+),"crc":"([0-9a-f]{8})",(?:"length":(\d{1,12}),)?"body":/;
/** How an envelope begins in every version, those to come too. */
const BEGIN = /^\{"misa":"([a-z-]+)","version":(\d{1,6}),"/;
/** No header is longer. */
const HEADER_BYTES = 128;

const hex8 = (n: number): string => n.toString(16).padStart(8, '0');

/** @param followed other bytes will stand behind it in its object */
export function encodeEnvelope(kind: string, version: number, body: unknown, followed = false): Uint8Array {
  const text = JSON.stringify(body);
  const length = followed ? `"length":${Buffer.byteLength(text)},` : '';
  return Buffer.from(`{"misa":"${kind}","version":${version},"crc":"${hex8(crc32(text))}",${length}"body":${text}}`);
}

/**
 * Bytes of the envelope that an object begins with, as its header says; `undefined`: it does not say so, and the object is all envelope.
 * @param bytes the beginning of the object
 */
export function envelopeLength(bytes: Uint8Array): number | undefined {
  const header = HEADER.exec(Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString('latin1'));
  return header?.[4] === undefined ? undefined : header[0].length + Number(header[4]) + 1;
}

/**
 * @param bytes of the envelope alone
 * @param object the object's name, for errors
 * @param oldest the oldest version that is still read
 * @throws {CorruptionError} not such an object, or damaged
 * @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT`: written by another Misa
 */
export function decodeEnvelope<T>(kind: string, version: number, bytes: Uint8Array, object: string, oldest = 1): T {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const header = HEADER.exec(text);
  if (header === null) {
    // A frame that is not known: one to come, or none.
    const [, ofKind, found] = BEGIN.exec(text) ?? [];
    if (ofKind === kind && Number(found) > version) throw newerFormat(object, Number(found), version);
  }
  if (header === null || !text.endsWith('}') || (envelopeLength(bytes) ?? bytes.length) !== bytes.length) {
    throw new CorruptionError(object, `it is no Misa ${kind}`);
  }
  const [prefix, foundKind, foundVersion, crc] = header as unknown as [string, string, string, string];
  if (foundKind !== kind) throw new CorruptionError(object, `it is a ${foundKind}, where a ${kind} belongs`);
  const body = text.slice(prefix.length, -1);
  if (hex8(crc32(body)) !== crc) throw new CorruptionError(object, 'its checksum is wrong');
  if (Number(foundVersion) > version) throw newerFormat(object, Number(foundVersion), version);
  if (Number(foundVersion) < oldest) throw olderFormat(object, Number(foundVersion), oldest);
  return JSON.parse(body) as T;
}

/** What to throw for an object of a version this program does not know. */
export function newerFormat(object: string, found: number, known: number): MisaError {
  return new MisaError(
    'NEWER_FORMAT',
    `${object} has format version ${found}, and this Misa reads up to ${known}. Use the newer Misa that wrote it.`,
  );
}

/** What to throw for an object of a version that this program knows no more. */
export function olderFormat(object: string, found: number, known: number): MisaError {
  return new MisaError(
    'OLDER_FORMAT',
    `${object} has format version ${found}, and this Misa reads from ${known} on. Use the Misa that wrote it, or start with a new store.`,
  );
}
