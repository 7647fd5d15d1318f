/** Hashes: SHA-256 for identities that are stored and compared, FNV-1a for the share of a key. */
import { createHash } from 'node:crypto';

/** The first 32 hex digits of SHA-256: 128 bits, enough to tell objects of one job apart. */
export function contentHash(...parts: (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 32);
}

/**
 * The partition of an encoded key: FNV-1a over its bytes, then murmur3's finalizer so that the low bits are even.
 * Fixed for ever: stored state depends on it.
 * @param key encoded key (see `stream/key.ts`), one byte a character
 */
export function partitionOf(key: string, partitions: number): number {
  if (partitions === 1) return 0;
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) % partitions;
}
