/**
 * A store as plain data, so that a worker thread, a function or another process can open the same one. Nothing secret is
 * in it: credentials come from the environment. The S3 client is loaded only where a store is in S3 (it takes a tenth of
 * a second).
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { DirectoryStore } from './directory-store.ts';
import { type LatencyModel, LatencyStore } from './latency-store.ts';
import { isObjectName } from './object-name.ts';
import type { ObjectStore } from './object-store.ts';

export type StoreSpec = DirectorySpec | S3Spec;

export interface DirectorySpec {
  readonly kind: 'directory';
  /** Absolute, or from the working directory of who opens it. */
  readonly path: string;
  readonly latency?: LatencyModel | undefined;
}

export interface S3Spec {
  readonly kind: 's3';
  readonly bucket: string;
  /** What all names start with, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** URL of an S3-compatible service other than AWS. */
  readonly endpoint?: string | undefined;
  readonly latency?: LatencyModel | undefined;
}

export interface OpenStoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Of a directory: see {@link DirectoryStore.open}. */
  readonly blockingReads?: boolean | undefined;
  /** Told each request to S3, by its name. */
  readonly onRequest?: ((operation: string) => void) | undefined;
}

/**
 * Opens the store. A directory is made if there is none; a bucket is not asked for until the first request.
 * @throws StoreError that says what to do
 */
export async function openStore(spec: StoreSpec, options: OpenStoreOptions): Promise<ObjectStore> {
  const store = await openPlain(spec, options);
  return spec.latency === undefined ? store : new LatencyStore(store, spec.latency, options);
}

async function openPlain(spec: StoreSpec, { onRequest, ...options }: OpenStoreOptions): Promise<ObjectStore> {
  if (spec.kind === 'directory') return DirectoryStore.open({ root: spec.path, ...options });
  const { S3Store } = await import('./s3-store.ts');
  return S3Store.open({ bucket: spec.bucket, prefix: spec.prefix, endpoint: spec.endpoint, onRequest, ...options });
}

/**
 * `s3://bucket/prefix`, `file:///path`, or the path of a directory (made absolute).
 * @param endpoint of an S3-compatible service, where the text names a bucket
 * @throws StoreError `STORE_URL`
 */
export function parseStoreUrl(text: string, endpoint?: string): StoreSpec {
  // A scheme with too few slashes is a slip, not a path. One letter is a drive.
  const scheme = /^([a-z][a-z0-9+.-]+):\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined && text !== '') return { kind: 'directory', path: resolve(text) };
  if (scheme === 'file') return { kind: 'directory', path: filePath(text) };
  const [, bucket, rest] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(\/.*)?$/i.exec(text) ?? [];
  const prefix = (rest ?? '').replace(/^\/+|\/+$/g, '');
  if (bucket === undefined || (prefix !== '' && !isObjectName(prefix))) {
    throw badUrl(text);
  }
  return { kind: 's3', bucket, prefix, ...(endpoint === undefined ? {} : { endpoint }) };
}

function filePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw badUrl(url, error);
  }
}

function badUrl(text: string, cause?: unknown): StoreError {
  const what = `${JSON.stringify(text)} names no store: write s3://bucket/prefix, or the path of a directory`;
  return new StoreError('STORE_URL', what, { cause });
}
