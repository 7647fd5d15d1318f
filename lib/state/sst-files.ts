/** Ranges of a partition's SSTs, from the store. */
import { CorruptionError } from '../errors.ts';
import type { SstRef } from '../manifest/manifest.ts';
import type { RangeReads } from '../object-store/hedged-reads.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ByteRange, GetResult } from '../object-store/object-store.ts';
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
    const name = this.nameOf(sst);
    const answer = await this.#place.store.get(name, { range: { offset, length }, onHedge });
    const bytes = wholeRange(name, answer, length);
    cost.bytes += length;
    return bytes;
  }
}

/** The bytes of a range of an SST, of the store's answer. @throws {MissingSstError} @throws {CorruptionError} */
export function wholeRange(object: string, answer: GetResult, length: number): Uint8Array {
  if (!answer.found) throw new MissingSstError(object);
  if (answer.body.length !== length) throw new CorruptionError(object, 'it is shorter than the manifest says');
  return answer.body;
}
