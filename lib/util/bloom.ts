/**
 * A blocked bloom filter over keys by their 32-bit hash (`hash.ts`): never 'no' for a key that was put in, 'yes' for about 1 % of the
 * others at ten bits a key. All six probes of a key fall into one 64-byte line, one cache miss in place of six: twice as fast
 * as a plain filter here, for 0.97 % false positives against 0.85 %. Probes follow RocksDB's FastLocalBloom: the top nine
 * bits of a number that is multiplied by the golden ratio each time.
 *
 * The hash is the one that columns of keys have already. The keys of one partition agree in the remainder of another one, that of the
 * key without table and time, which leaves this one even; a test measures it.
 */

const PROBES = 6;
const LINE_BYTES = 64;
const GOLDEN = 0x9e3779b9;
const MIX = 0x85ebca6b;

/**
 * The filter of the keys with these hashes: whole lines of 64 bytes.
 * @param bitsPerKey 0 makes an empty filter, which always answers 'yes'
 */
export function buildBloom(hashes: Uint32Array, bitsPerKey: number): Uint8Array {
  const filter = new Uint8Array(bloomBytes(hashes.length, bitsPerKey));
  if (filter.length === 0) return filter;
  const lines = filter.length / LINE_BYTES;
  for (let i = 0; i < hashes.length; i++) {
    const hash = hashes[i]!;
    const line = lineOf(hash, lines);
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

/**
 * False: no key of that hash was put in. True: one probably was.
 * @param filter whole lines, as {@link buildBloom} made them
 */
export function bloomHas(filter: Uint8Array, hash: number): boolean {
  if (filter.length === 0) return true;
  const line = lineOf(hash, filter.length / LINE_BYTES);
  let mixed = firstMix(hash);
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = mixed >>> 23;
    if ((filter[line + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
    mixed = Math.imul(mixed, GOLDEN);
  }
  return true;
}

/** Where the key's line begins: by the hash's high bits. */
function lineOf(hash: number, lines: number): number {
  return Math.floor((hash * lines) / 0x100000000) * LINE_BYTES;
}

/** The first probe: the keys of a line agree in the hash's high bits, so its low ones are spread over all. */
function firstMix(hash: number): number {
  return Math.imul(Math.imul(hash, MIX) ^ (hash >>> 15), GOLDEN);
}
