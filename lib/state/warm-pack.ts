/**
 * A warm pack: the state of the keys that batch n names, absences too, as of one manifest version, in one object. A cold
 * batch function takes it with one GET in place of many. Advisory: its reader uses it only under the very manifest version
 * it was made for, below the rows in memory; so it can be missing or ignored, but never wrong.
 *
 * Sections: 0 entries as in log entries, a tombstone standing for "absent".
 */
import { decodeChanges, encodeChanges } from '../log/changes.ts';
import type { Entry } from '../sst/entry.ts';
import { decodeContainer, encodeContainer } from '../util/container.ts';

const MAGIC = 'MWRM';
/** Version 1 had entries row by row. */
const VERSION = 2;

interface WarmHeader {
  readonly n: number;
  /** Version of the manifest whose SSTs answered. */
  readonly version: number;
  readonly entries: number;
}

/** @param entries by state key, ascending; `null`: absent */
export function encodeWarmPack(n: number, version: number, entries: readonly Entry[]): Uint8Array {
  const header: WarmHeader = { n, version, entries: entries.length };
  return encodeContainer(MAGIC, VERSION, header, [encodeChanges(entries)]).bytes;
}

/** @returns by state key, or `undefined` where the pack is for another batch or manifest @throws {CorruptionError} */
export function decodeWarmPack(
  bytes: Uint8Array,
  object: string,
  n: number,
  version: number,
): Map<string, Uint8Array | null> | undefined {
  const { header, section } = decodeContainer<WarmHeader>(MAGIC, VERSION, bytes, object, VERSION);
  if (header.n !== n || header.version !== version) return undefined;
  const answers = new Map<string, Uint8Array | null>();
  for (const { key, value } of decodeChanges(section(0), header.entries, object)) answers.set(key, value);
  return answers;
}
