/**
 * Result batches as objects of another place in S3, one object a batch under a fixed name, created once: delivered again, it
 * is there already. `{prefix}{output}/p{partition}/{n}.{extension}`; batches of a later epoch than the first, which count
 * from 1 again, in `{prefix}{output}/e{epoch}/p{partition}/`.
 */
import { createOnce } from '../object-store/create-once.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { openStore, type StoreSpec } from '../object-store/store-spec.ts';
import type { ServiceOptions } from './service-calls.ts';
import { type ResultName, SinkError } from './sink.ts';

/** Where result files go. */
export interface FileSettings {
  /** Default: the bucket of the job's store. */
  readonly bucket?: string | undefined;
  /** What names start with: empty, or with `/` at its end. Default: `results/{job}/`. */
  readonly prefix?: string | undefined;
}

/** What files need beside the settings. */
export interface FileOptions extends ServiceOptions {
  /** The job's own store, which results must not be written into. */
  readonly store: StoreSpec;
}

export class ResultFiles {
  readonly #store: ObjectStore;
  readonly #prefix: string | undefined;
  readonly #inStateBucket: boolean;

  private constructor(store: ObjectStore, prefix: string | undefined, inStateBucket: boolean) {
    this.#store = store;
    this.#prefix = prefix;
    this.#inStateBucket = inStateBucket;
  }

  /** @throws {SinkError} `BAD_SINKS` the place is the job's own store, or none is named */
  static async open({ bucket, prefix }: FileSettings, options: FileOptions): Promise<ResultFiles> {
    const { store } = options;
    const own = store.kind === 's3' ? store : undefined;
    const name = bucket ?? own?.bucket;
    if (name === undefined)
      throw new SinkError('BAD_SINKS', 'a sink of files needs a bucket where the store is not in S3');
    const inStateBucket = name === own?.bucket;
    if (inStateBucket && prefix !== undefined && `${prefix}/`.startsWith(`${own?.prefix}/`)) {
      const what = `results cannot go to s3://${name}/${prefix}, which is inside of the job's own store`;
      throw new SinkError('BAD_SINKS', `${what}: name another bucket or prefix`);
    }
    const endpoint = options.endpoint ?? own?.endpoint;
    const files = await openStore({ kind: 's3', bucket: name, prefix: '', endpoint }, options);
    return new ResultFiles(files, prefix, inStateBucket);
  }

  async create(batch: ResultName, extension: string, body: Uint8Array, options: RequestOptions): Promise<void> {
    const prefix = this.#prefix ?? `results/${batch.job}/`;
    if (this.#inStateBucket && prefix.startsWith(`in/${batch.job}/`)) {
      const what = `results under ${prefix} of the job's own bucket would be its input again`;
      throw new SinkError('BAD_SINKS', `${what}: name another prefix`);
    }
    // What is there already was written by an earlier delivery.
    await createOnce(this.#store, fileName(prefix, batch, extension), body, options);
  }
}

function fileName(prefix: string, { epoch, output, partition, n }: ResultName, extension: string): string {
  const ofEpoch = epoch === 1 ? '' : `e${epoch}/`;
  return `${prefix}${output}/${ofEpoch}p${partition}/${String(n).padStart(12, '0')}.${extension}`;
}
