/**
 * The cursor of an output directory: whose results are there, in which form, and how far they are. Version 1 is the flat
 * layout's, and still written there, so that a directory stays one that earlier versions go on with; version 2 is of the layout
 * with folders, which they refuse by its number. It is written before the first file, so no file is there without it.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { MisaError } from '../../errors.ts';
import type { JobFile } from '../../job/job-file.ts';
import { decodeEnvelope, encodeEnvelope } from '../../util/envelope.ts';
import type { StoredColumn } from './columns.ts';
import { FLAT, type Shape } from './settings.ts';
import { writeWhole } from './write-whole.ts';

export const CURSOR = '.misa-cursor';
const FLAT_VERSION = 1;
const VERSION = 2;

export interface OutputPosition {
  /** Of the output. */
  readonly name: string;
  /** Batches up to this are in files that will not be written again. */
  readonly through: number;
  /** Of formats that have columns: those seen so far, in their order. */
  readonly columns?: readonly StoredColumn[] | undefined;
}

export interface Cursor {
  readonly shape: Shape;
  /** Flat layout. */
  readonly through: number;
  /** Layout with folders. */
  readonly outputs: readonly OutputPosition[];
}

interface Body {
  readonly job: string;
  /** {@link JobFile.id} */
  readonly id: string;
  readonly through?: number;
  readonly shape?: Shape;
  readonly outputs?: readonly OutputPosition[];
}

/** @returns `undefined`: a new directory @throws {MisaError} `OUTPUT_OF_ANOTHER_JOB` @throws {CorruptionError} */
export async function readCursor(directory: string, file: JobFile): Promise<Cursor | undefined> {
  const name = path.join(directory, CURSOR);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { job, id, through = 0, shape = FLAT, outputs = [] } = decodeEnvelope<Body>('cursor', VERSION, bytes, name);
  if (id !== file.id) {
    throw new MisaError(
      'OUTPUT_OF_ANOTHER_JOB',
      `${directory} holds results of job ${job} from another store. Name another --output, or empty it first.`,
    );
  }
  return { shape, through, outputs };
}

export async function writeCursor(directory: string, { name, id }: JobFile, cursor: Cursor): Promise<void> {
  const { shape, through, outputs } = cursor;
  const bytes =
    shape.layout === 'flat'
      ? encodeEnvelope('cursor', FLAT_VERSION, { job: name, id, through } satisfies Body)
      : encodeEnvelope('cursor', VERSION, { job: name, id, shape, outputs } satisfies Body);
  await writeWhole(path.join(directory, CURSOR), [bytes]);
}
