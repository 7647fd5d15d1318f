/** Hashes: SHA-256 for identities that are stored and compared, FNV-1a for the share of a key. */
import { createHash } from 'node:crypto';

/** The first 32 hex digits of SHA-256: 128 bits, enough to tell objects of one job apart. */
export function contentHash(...parts: (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 32);
}

/** Where {@link hashText} begins. */
export const HASH_SEED = 0x811c9dc5;

/** The next byte of {@link hashText}. */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

/** The end of {@link hashText}: unsigned 32 bits. */
export function finishHash(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * The 32-bit hash of an encoded key: FNV-1a over its bytes, then murmur3's finalizer so that the low bits are even.
 * Fixed for ever: stored state depends on it.
 * @param key encoded key (see `stream/operators/key.ts`), one byte a character
 */
export function hashText(key: string): number {
  let hash = HASH_SEED;
  for (let i = 0; i < key.length; i++) hash = hashByte(hash, key.charCodeAt(i));
  return finishHash(hash);
}

/** The partition of an encoded key. Fixed for ever: stored state depends on it. */
export function partitionOf(key: string, partitions: number): number {
  return partitions === 1 ? 0 : hashText(key) % partitions;
}
