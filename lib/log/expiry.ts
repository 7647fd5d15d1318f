import type { Key } from '../sst/entry.ts';

/**
 * When an entry ends, ms; `undefined`: never. What is older of the same key must not end later: so what ends needs no
 * tombstone, and an SST can be relieved of it by itself.
 */
export type Expiry = (key: Key, value: Uint8Array) => number | undefined;
