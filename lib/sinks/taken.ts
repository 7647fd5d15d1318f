/**
 * Which results sinks have taken. The sink function writes one small note an invocation of what it has delivered; `maintain` puts the notes
 * together, and so finds the results whose notification was lost. Advisory in one direction: a note that is lost lets a result
 * be delivered once more, which sinks bear; none says of a result that it was delivered when it was not (⚑ taken-known).
 */
import { CorruptionError } from '../errors.ts';
import type { Names } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';

const VERSION = 1;

/** A result: output, partition, batch. */
export type TakenResult = readonly [output: string, partition: number, n: number];

/** @param id names the note. @throws {StoreError} */
export async function writeTaken(
  store: ObjectStore,
  names: Names,
  id: string,
  taken: readonly TakenResult[],
  options: RequestOptions = {},
): Promise<void> {
  await store.put(names.taken(id), encodeEnvelope('taken', VERSION, { taken }), options);
}

/** @returns nothing if the note is gone or damaged @throws {StoreError} */
export async function readTaken(store: ObjectStore, name: string): Promise<readonly TakenResult[]> {
  const answer = await store.get(name);
  if (!answer.found) return [];
  try {
    return decodeEnvelope<{ taken: TakenResult[] }>('taken', VERSION, answer.body, name).taken;
  } catch (error) {
    if (error instanceof CorruptionError) return [];
    throw error;
  }
}

/** Closed ranges [from, to] of batch numbers; sorted, with gaps between them. */
export type Ranges = readonly (readonly [from: number, to: number])[];

/** The ranges with these numbers added. */
export function withNumbers(ranges: Ranges, numbers: Iterable<number>): Ranges {
  const all = [...ranges, ...Array.from(numbers, (n) => [n, n] as const)].sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [from, to] of all) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** The gaps between the ranges, from 1 to `last`. */
export function gapsOf(ranges: Ranges, last: number): Ranges {
  const gaps: [number, number][] = [];
  let next = 1;
  for (const [from, to] of ranges) {
    if (from > last) break;
    if (from > next) gaps.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= last) gaps.push([next, last]);
  return gaps;
}

/** What is known of the results of one output in one partition. */
export interface OutputDelivered {
  /** Results that were taken; those before the first that sinks were told of count as such. */
  readonly taken: Ranges;
  /** Of those up to `n`: since when some are missing. */
  readonly missing?: { readonly n: number; readonly sinceMs: number } | undefined;
  /** Results that were announced again: how often, and when last. */
  readonly again?: Readonly<Record<number, { readonly sent: number; readonly sentMs: number }>> | undefined;
}

/** By `{output}/p{partition}`. */
export type Delivered = Readonly<Record<string, OutputDelivered>>;

export interface LoadedDelivered {
  readonly delivered: Delivered;
  /** `undefined`: there is none yet. */
  readonly etag: string | undefined;
}

/** @throws {StoreError} */
export async function loadDelivered(store: ObjectStore, names: Names): Promise<LoadedDelivered> {
  const name = names.delivered();
  const answer = await store.get(name);
  if (!answer.found) return { delivered: {}, etag: undefined };
  const { etag } = answer;
  return { delivered: decodeEnvelope<{ places: Delivered }>('delivered', VERSION, answer.body, name).places, etag };
}

/** @returns false: another was first */
export async function saveDelivered(
  store: ObjectStore,
  names: Names,
  places: Delivered,
  etag: string | undefined,
): Promise<boolean> {
  const body = encodeEnvelope('delivered', VERSION, { places });
  return (await store.compareAndSet(names.delivered(), body, etag)).ok;
}
