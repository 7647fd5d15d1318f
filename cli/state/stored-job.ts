import type { JobFile } from '../../lib/job/job-file.ts';
import type { Names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';

/** A job as its store has it. */
export interface StoredJob {
  /** The store, as a person names it. */
  readonly where: string;
  readonly store: ObjectStore;
  readonly names: Names;
  readonly file: JobFile;
}
