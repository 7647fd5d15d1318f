/**
 * State that has an end: entries that from some time on say nothing any more, and that compactions leave out then.
 *
 * ⚑ log-time: the time is the log's own, that of the last entry that is folded, which no later entry is before. So what a
 * compaction leaves out is unknown to every later entry already, whoever compacts, whenever, by whatever clock.
 */
import type { Expiry } from '../log/expiry.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { type BuiltSst, SstBuilder } from '../sst/builder.ts';

/** Whether an entry has ended as of a manifest; `undefined`: none ever does. */
export function expiredBy(
  loaded: LoadedManifest,
  expiry: Expiry | undefined,
): ((...entry: Parameters<Expiry>) => boolean) | undefined {
  const { timeMs } = loaded.manifest;
  if (expiry === undefined || timeMs === undefined) return undefined;
  return (key, value) => (expiry(key, value) ?? Number.POSITIVE_INFINITY) <= timeMs;
}

/**
 * Builds an SST of state, and says when half of it will have ended. In L0 blocks are stored as they are: what is there is read and
 * rewritten soon, and compressing it would take a third of a fold's time.
 */
export class StateSstBuilder {
  readonly #builder: SstBuilder;
  readonly #expiry: Expiry | undefined;
  readonly #ends: number[] = [];

  /** @param level 0: L0, then 1: L1, … */
  constructor(id: string, level: number, expiry: Expiry | undefined) {
    this.#builder = new SstBuilder({ id, compression: level === 0 ? 'none' : 'lz4' });
    this.#expiry = expiry;
  }

  /** Bytes so far, about. */
  get bytes(): number {
    return this.#builder.bytes;
  }

  /** The key last added is its beginning. */
  get lastKey(): Uint8Array {
    return this.#builder.lastKey;
  }

  /** As {@link SstBuilder.addBytes}. */
  addBytes(
    keys: Buffer,
    start: number,
    end: number,
    values: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#builder.addBytes(keys, start, end, values, valueStart, valueEnd);
    if (this.#expiry === undefined || values === null) return;
    const ends = this.#expiry(keys.toString('latin1', start, end), values.subarray(valueStart, valueEnd));
    if (ends !== undefined) this.#ends.push(ends);
  }

  finish(): { readonly info: BuiltSst['info'] & { readonly halfExpiredMs?: number }; readonly body: Uint8Array } {
    const { info, body } = this.#builder.finish();
    const half = Float64Array.from(this.#ends).sort()[Math.ceil(info.entries / 2) - 1];
    return { info: half === undefined ? info : { ...info, halfExpiredMs: half }, body };
  }
}
