/** Ranges of a partition's SSTs, from the store. */
import { CorruptionError } from '../errors.ts';
import type { SstRef } from '../manifest/manifest.ts';
import type { RangeOptions, RangeReads } from '../object-store/hedged-reads.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ByteRange } from '../object-store/object-store.ts';
import { addHedge, type ReadCost } from './read-cost.ts';

/** ⚑ missing-sst: one that the manifest names is not in the store. The manifest is old (read it again), or the store is damaged. */
export class MissingSstError extends CorruptionError {
  constructor(object: string) {
    super(object, 'it is missing although the manifest names it');
  }
}

export interface SstPlace {
  readonly store: RangeReads;
  readonly names: Names;
  readonly path: PartitionPath;
}

export class SstFiles {
  readonly #place: SstPlace;

  constructor(place: SstPlace) {
    this.#place = place;
  }

  nameOf(sst: SstRef): string {
    const { names, path } = this.#place;
    return names.sst(path, sst.id);
  }

  /** @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError} */
  async read(sst: SstRef, { offset, length }: ByteRange, cost: ReadCost): Promise<Uint8Array> {
    cost.requests++;
    const onHedge = (): void => addHedge(cost, length);
    const bytes = await readSstRange(this.#place.store, this.nameOf(sst), { range: { offset, length }, onHedge });
    cost.bytes += length;
    return bytes;
  }
}

/** A range of an SST, whole. @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError} */
export async function readSstRange(store: RangeReads, object: string, options: RangeOptions): Promise<Uint8Array> {
  const answer = await store.get(object, options);
  if (!answer.found) throw new MissingSstError(object);
  const { body } = answer;
  if (body.length !== options.range.length) throw new CorruptionError(object, 'it is shorter than the manifest says');
  return body;
}
