/**
 * Reads a partition's manifest and changes it by compare-and-set. An edit is decided again on each manifest that turns up
 * instead, so a lost race costs one more round and never a lost edit. ⚑ edit-nonce: when the answer is lost, or says "no" to
 * what may have been our own first try, the edit's nonce in the manifest tells whether it took effect.
 */
import { StoreError, StoreTimeoutError } from '../errors.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { applyEdit } from './apply-edit.ts';
import { decodeManifest, encodeManifest } from './codec.ts';
import { type Conflict, type Edit, isConflict } from './edit.ts';
import { EMPTY_MANIFEST, type LoadedManifest } from './manifest.ts';

/** Each lost try is another committer's success, so this many in a row are rare. */
const MAX_TRIES = 16;

/** @throws {CorruptionError} @throws {StoreError} */
export async function loadManifest(
  store: ObjectStore,
  name: string,
  options: RequestOptions = {},
): Promise<LoadedManifest> {
  const answer = await store.get(name, options);
  const { dateMs } = answer;
  if (!answer.found) return { manifest: EMPTY_MANIFEST, etag: undefined, dateMs };
  return { manifest: decodeManifest(answer.body, name), etag: answer.etag, dateMs };
}

/**
 * What to do to this manifest; `undefined`: nothing (any more). Called again when another edit came first. May wait: it is
 * safe however long it takes, because the compare-and-set fails if the manifest has changed since.
 */
export type Decide = (loaded: LoadedManifest) => Edit | undefined | Promise<Edit | undefined>;

export interface EditOptions extends RequestOptions {
  /** A name for the edit that nobody else gives (`random.id()`). */
  readonly nonce: string;
  /** A manifest in hand, to save the first read. */
  readonly from?: LoadedManifest | undefined;
}

export type EditResult =
  /** The edit is in the manifest; `loaded` is the newest seen. */
  | { readonly outcome: 'done'; readonly loaded: LoadedManifest }
  | { readonly outcome: 'abandoned'; readonly loaded: LoadedManifest }
  | { readonly outcome: 'conflict'; readonly loaded: LoadedManifest; readonly conflict: Conflict };

/**
 * @throws {StoreError} `MANIFEST_CONTENTION` (retryable): other committers were always first; or what the store throws
 * @throws {CorruptionError} the manifest cannot be read: nothing was changed
 */
export async function editManifest(
  store: ObjectStore,
  name: string,
  decide: Decide,
  { nonce, from, signal }: EditOptions,
): Promise<EditResult> {
  const load = (): Promise<LoadedManifest> => loadManifest(store, name, { signal });
  let loaded = from ?? (await load());
  let fresh = from === undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const edit = await decide(loaded);
    if (edit === undefined) return { outcome: 'abandoned', loaded };
    const next = applyEdit(loaded.manifest, edit, { nonce, seenAtMs: loaded.dateMs });
    if (!isConflict(next)) {
      try {
        const written = await store.compareAndSet(name, encodeManifest(next), loaded.etag, { signal });
        if (written.ok)
          return { outcome: 'done', loaded: { manifest: next, etag: written.etag, dateMs: written.dateMs } };
      } catch (error) {
        if (!(error instanceof StoreTimeoutError)) throw error;
      }
    } else if (fresh) {
      return { outcome: 'conflict', loaded, conflict: next };
    }
    loaded = await load();
    fresh = true;
    if (loaded.manifest.nonces.includes(nonce)) return { outcome: 'done', loaded };
  }
  throw new StoreError('MANIFEST_CONTENTION', `${name}: ${MAX_TRIES} edits of other committers came first. Try again`, {
    retryable: true,
  });
}
