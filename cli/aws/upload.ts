/**
 * Uploads input files to a deployed job. An object is named for the file and its content, so that a file that is sent
 * twice is the same object, and planned once. Large files go in parts, a few side by side; files go one after the other,
 * because rows that come in order are seldom late.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import type * as S3 from '@aws-sdk/client-s3';
import { InputError } from '../../lib/errors.ts';
import { type FileRef, hashFile } from '../../lib/source/index.ts';
import { awsError } from './aws-error.ts';
import { endpointOf, s3Config } from './environment.ts';

const PART_BYTES = 16 << 20;
const MAX_PARTS = 10_000;
const PARTS_AT_ONCE = 4;
const HASH_CHARS = 16;

export interface UploadPlace {
  readonly bucket: string;
  /** Ends with `/`; the source follows. */
  readonly prefix: string;
}

export interface Uploaded {
  readonly source: string;
  readonly file: string;
  readonly bucket: string;
  readonly key: string;
  readonly bytes: number;
  /** Whether the object was there already, with this content. */
  readonly known: boolean;
}

/** @param url `s3://bucket/prefix/`, as the stack's output has it */
export function uploadPlace(url: string): UploadPlace {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url) ?? [];
  return { bucket, prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` };
}

/**
 * `flights-2013-1b2c3d4e5f607182.ndjson.gz` of `flights-2013.ndjson.gz`: what follows the first dot tells the format, so it
 * stays at the end.
 */
export function objectName(file: string, hash: string): string {
  const base = path.basename(file);
  const dot = /(?:\.[A-Za-z0-9]{1,8}){1,2}$/.exec(base)?.index ?? base.length;
  const stem = base.slice(0, dot).replace(/[^A-Za-z0-9._-]+/g, '-');
  return `${stem === '' ? 'input' : stem}-${hash.slice(0, HASH_CHARS)}${base.slice(dot)}`;
}

export class Uploader {
  readonly #sdk: typeof S3;
  readonly #client: S3.S3Client;
  readonly #place: UploadPlace;

  private constructor(sdk: typeof S3, place: UploadPlace) {
    this.#sdk = sdk;
    this.#client = new sdk.S3Client(s3Config());
    this.#place = place;
  }

  static async open(place: UploadPlace): Promise<Uploader> {
    return new Uploader(await import('@aws-sdk/client-s3'), place);
  }

  /** @param onBytes told the bytes that are there, from time to time */
  async send(source: string, file: FileRef, onBytes: (sent: number) => void, signal?: AbortSignal): Promise<Uploaded> {
    const { bucket, prefix } = this.#place;
    const key = `${prefix}${source}/${objectName(file.path, await hashFile(file.path))}`;
    try {
      const known = await this.#isThere(key, file.size, signal);
      if (!known) await this.#upload(key, file, onBytes, signal);
      onBytes(file.size);
      return { source, file: file.path, bucket, key, bytes: file.size, known };
    } catch (error) {
      signal?.throwIfAborted();
      throw awsError(error, `sending ${file.path} to s3://${bucket}/${key}`, endpointOf('S3'));
    }
  }

  close(): void {
    this.#client.destroy();
  }

  /** Whether an object is there, with that size. */
  async #isThere(key: string, size: number, abortSignal?: AbortSignal): Promise<boolean> {
    try {
      const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#place.bucket, Key: key });
      const { ContentLength } = await this.#client.send(command, { ...(abortSignal && { abortSignal }) });
      return ContentLength === size;
    } catch (error) {
      // Without permission to list, S3 answers 403 for an object that does not exist.
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode === 404 || $metadata?.httpStatusCode === 403) return false;
      throw error;
    }
  }

  async #upload(key: string, file: FileRef, onBytes: (sent: number) => void, signal?: AbortSignal): Promise<void> {
    if (file.size > PART_BYTES) return this.#putParts(key, file, onBytes, signal);
    const Body = await readRange(file, 0, file.size);
    const command = new this.#sdk.PutObjectCommand({ Bucket: this.#place.bucket, Key: key, Body });
    await this.#client.send(command, { ...(signal && { abortSignal: signal }) });
  }

  async #putParts(
    key: string,
    file: FileRef,
    onBytes: (sent: number) => void,
    abortSignal?: AbortSignal,
  ): Promise<void> {
    const about = { Bucket: this.#place.bucket, Key: key };
    const options = { ...(abortSignal && { abortSignal }) };
    const { UploadId } = await this.#client.send(new this.#sdk.CreateMultipartUploadCommand(about), options);
    const partBytes = Math.max(PART_BYTES, Math.ceil(file.size / MAX_PARTS));
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    let next = 0;
    let sent = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i * partBytes < file.size; i = next++) {
        const body = await readRange(file, i * partBytes, Math.min(partBytes, file.size - i * partBytes));
        const part = new this.#sdk.UploadPartCommand({ ...about, UploadId, PartNumber: i + 1, Body: body });
        parts[i] = { PartNumber: i + 1, ETag: (await this.#client.send(part, options)).ETag };
        sent += body.length;
        onBytes(sent);
      }
    };
    try {
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
      const MultipartUpload = { Parts: parts };
      const complete = new this.#sdk.CompleteMultipartUploadCommand({ ...about, UploadId, MultipartUpload });
      await this.#client.send(complete, options);
    } catch (error) {
      // Uploaded parts cost storage until they are deleted.
      next = Number.POSITIVE_INFINITY;
      await this.#client.send(new this.#sdk.AbortMultipartUploadCommand({ ...about, UploadId })).catch(() => {});
      throw error;
    }
  }
}

async function readRange({ path: file }: FileRef, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
      if (bytesRead === 0)
        throw new InputError('INPUT_CHANGED', `${file} got shorter while it was sent. Send it again`, file);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
