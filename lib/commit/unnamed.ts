/**
 * Since when it is known of a partition's SSTs that no manifest names them any more: one object beside the manifest, written by
 * collections alone. Advisory in one direction: what it says is true for ever, since what is condemned is never named again;
 * what it lacks is found again by listing, and then kept a retention longer.
 */
import { CorruptionError } from '../errors.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';

const KIND = 'unnamed';
const VERSION = 1;

/** By id, epoch ms of the store's clock. */
export type Unnamed = ReadonlyMap<string, number>;

/** Those of one time together: a collection finds many at once. */
interface Body {
  readonly since: readonly { readonly atMs: number; readonly ids: readonly string[] }[];
}

/** @returns nothing where there is none, or it is damaged @throws {MisaError} `NEWER_FORMAT` @throws {StoreError} */
export async function loadUnnamed(
  store: ObjectStore,
  names: Names,
  path: PartitionPath,
  options: RequestOptions = {},
): Promise<Unnamed> {
  const name = names.unnamed(path);
  const answer = await store.get(name, options);
  if (!answer.found) return new Map();
  try {
    return decodeUnnamed(answer.body, name);
  } catch (error) {
    if (error instanceof CorruptionError) return new Map();
    throw error;
  }
}

/** Replaces what is noted; nothing: takes the object away. @throws {StoreError} */
export async function saveUnnamed(
  store: ObjectStore,
  names: Names,
  path: PartitionPath,
  unnamed: Unnamed,
  options: RequestOptions = {},
): Promise<void> {
  const name = names.unnamed(path);
  if (unnamed.size === 0) await store.delete([name], options);
  else await store.put(name, encodeUnnamed(unnamed), options);
}

export function encodeUnnamed(unnamed: Unnamed): Uint8Array {
  const since = new Map<number, string[]>();
  for (const [id, atMs] of unnamed) {
    const ids = since.get(atMs);
    if (ids === undefined) since.set(atMs, [id]);
    else ids.push(id);
  }
  return encodeEnvelope(KIND, VERSION, { since: [...since].map(([atMs, ids]) => ({ atMs, ids })) } satisfies Body);
}

/** @throws {CorruptionError} @throws {MisaError} `NEWER_FORMAT` */
export function decodeUnnamed(bytes: Uint8Array, object: string): Unnamed {
  const { since } = decodeEnvelope<Body>(KIND, VERSION, bytes, object);
  return new Map(since.flatMap(({ atMs, ids }) => ids.map((id) => [id, atMs] as const)));
}
