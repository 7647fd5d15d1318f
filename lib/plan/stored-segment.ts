/** Where the rows of a plan are stored, and how they are read: they stand behind the plan in its object, or in one of their own. */

import { CorruptionError } from '../errors.ts';
import { type Names, PLANNER } from '../object-store/names.ts';
import type { ByteRange, ObjectStore } from '../object-store/object-store.ts';
import type { StoredPlan } from './plan.ts';
import { decodeSegment, type Segment } from './segment.ts';

export interface SegmentPlace {
  /** Of the object. */
  readonly name: string;
  /** Where in it the segment begins. */
  readonly offset: number;
  /** `undefined`: all of the object. */
  readonly range: ByteRange | undefined;
}

/** `undefined`: the plan has no rows, or names them by reference. */
export function segmentPlace(names: Names, { plan, bytes }: StoredPlan): SegmentPlace | undefined {
  const { n, segment, segmentBytes } = plan;
  if (segment === null) return undefined;
  if (segmentBytes === undefined) return { name: names.segment(n, segment), offset: 0, range: undefined };
  const offset = bytes.length;
  return { name: names.log(PLANNER, n), offset, range: { offset, length: segmentBytes } };
}

/** @returns `undefined`: it is gone @throws {CorruptionError} */
export async function readSegment(
  store: ObjectStore,
  stored: StoredPlan,
  { name, range }: SegmentPlace,
): Promise<Segment | undefined> {
  const answer = await store.get(name, { range });
  return answer.found ? decodeStored(answer.body, stored, name) : undefined;
}

/** @param bytes of the segment alone @throws {CorruptionError} damaged, or not the one that the plan names */
export function decodeStored(bytes: Uint8Array, { plan }: StoredPlan, object: string): Segment {
  const segment = decodeSegment(bytes, object);
  if (segment.hash !== plan.segment) {
    throw new CorruptionError(object, `it is not the segment that plan ${plan.n} names`);
  }
  return segment;
}
