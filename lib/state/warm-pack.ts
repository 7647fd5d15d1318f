/**
 * A warm pack: the state of the keys that batch n names, absences too, as of one manifest version, in one object. A cold
 * batch function takes it with one GET in place of many. Advisory: its reader uses it only under the very manifest version
 * it was made for, below rows and overlay; so it can be missing or ignored, but never wrong.
 *
 * Sections: 0 entries as in log entries, a tombstone standing for "absent".
 */
import { decodeChanges, writeChange } from '../log/changes.ts';
import { ByteWriter } from '../util/bytes.ts';
import { decodeContainer, encodeContainer } from '../util/container.ts';

const MAGIC = 'MWRM';
const VERSION = 1;

interface WarmHeader {
  readonly n: number;
  /** Version of the manifest whose SSTs answered. */
  readonly version: number;
  readonly entries: number;
}

/** @param entries by state key, ascending; `null`: absent */
export function encodeWarmPack(
  n: number,
  version: number,
  entries: readonly { readonly key: string; readonly value: Uint8Array | null }[],
): Uint8Array {
  const writer = new ByteWriter(entries.length * 48);
  for (const { key, value } of entries) writeChange(writer, key, value);
  const header: WarmHeader = { n, version, entries: entries.length };
  return encodeContainer(MAGIC, VERSION, header, [writer.view()]).bytes;
}

/** @returns by state key, or `undefined` where the pack is for another batch or manifest @throws {CorruptionError} */
export function decodeWarmPack(
  bytes: Uint8Array,
  object: string,
  n: number,
  version: number,
): Map<string, Uint8Array | null> | undefined {
  const { header, section } = decodeContainer<WarmHeader>(MAGIC, VERSION, bytes, object);
  if (header.n !== n || header.version !== version) return undefined;
  const answers = new Map<string, Uint8Array | null>();
  for (const { key, value } of decodeChanges(section(0), header.entries, object)) answers.set(key, value);
  return answers;
}
