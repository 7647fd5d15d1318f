/**
 * Reads the files of a small gzipped tar archive, as npm packs packages: regular files with names of 100 bytes at most after
 * a prefix of 155. Node has no tar of its own, and this much of it spares a dependency.
 */
import { gunzipSync } from 'node:zlib';

const BLOCK = 512;

/** Contents by name; entries that are no regular files are left out. */
export function readTarGz(archive: Uint8Array): Map<string, Uint8Array> {
  const tar = gunzipSync(archive);
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number): string =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    const prefix = text(345, 155);
    const type = tar[at + 156];
    const body = at + BLOCK;
    if (!Number.isSafeInteger(size) || body + size > tar.length) throw new RangeError('the archive is cut off');
    if (type === 0 || type === 0x30)
      files.set((prefix === '' ? '' : `${prefix}/`) + text(0, 100), tar.subarray(body, body + size));
    at = body + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
