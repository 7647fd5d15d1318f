/**
 * State that has an end: entries that from some time on say nothing any more, and that compactions leave out then.
 *
 * ⚑ log-time: the time is the log's own, that of the last entry that is folded, which no later entry is before. So what a
 * compaction leaves out is unknown to every later entry already, whoever compacts, whenever, by whatever clock.
 */
import type { Expiry } from '../log/expiry.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { type BuiltSst, SstBuilder } from '../sst/builder.ts';
import type { Key } from '../sst/entry.ts';

/** Whether an entry has ended as of a manifest. */
export function expiredBy(
  loaded: LoadedManifest,
  expiry: Expiry | undefined,
): (...entry: Parameters<Expiry>) => boolean {
  const { timeMs } = loaded.manifest;
  if (expiry === undefined || timeMs === undefined) return () => false;
  return (key, value) => (expiry(key, value) ?? Number.POSITIVE_INFINITY) <= timeMs;
}

/** Builds an SST of state, and says when half of it will have ended. */
export class StateSstBuilder {
  readonly #builder: SstBuilder;
  readonly #expiry: Expiry | undefined;
  readonly #ends: number[] = [];
  #entries = 0;

  constructor(id: string, expiry: Expiry | undefined) {
    this.#builder = new SstBuilder({ id, compression: 'lz4' });
    this.#expiry = expiry;
  }

  /** Bytes so far, about. */
  get bytes(): number {
    return this.#builder.bytes;
  }

  /** In ascending order of keys. @param value `null`: a tombstone */
  add(key: Key, value: Uint8Array | null): void {
    this.#builder.add(key, value);
    this.#entries++;
    const end = value === null ? undefined : this.#expiry?.(key, value);
    if (end !== undefined) this.#ends.push(end);
  }

  finish(): { readonly info: BuiltSst['info'] & { readonly halfExpiredMs?: number }; readonly body: Uint8Array } {
    const { info, body } = this.#builder.finish();
    const half = Float64Array.from(this.#ends).sort()[Math.ceil(this.#entries / 2) - 1];
    return { info: half === undefined ? info : { ...info, halfExpiredMs: half }, body };
  }
}
