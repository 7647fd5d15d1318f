/**
 * Input files of the embedded engine, objects in S3 among them: read in order, and planned by reference, since files stay
 * where they are. How far a file is planned is the planner's state, with a hash of its content up to there. So nothing is read
 * twice: not under another name, unless the user says so, and not when a file was only touched. Lines may be added to a text;
 * whatever else was changed after it was planned is refused.
 */
import { stat } from 'node:fs/promises';
import { PrefixHasher } from '../plan/content-prefix.ts';
import { InputCursor } from '../plan/input-cursor.ts';
import type { Piece } from '../plan/plan.ts';
import { type PlannedObject, plannedObject } from '../plan/planner-log.ts';
import type { SegmentBuilder } from '../plan/segment-builder.ts';
import { type InputRef, isObject } from '../source/input-ref.ts';
import { goesOn, hasherAfter, hasherAt, isText, mayGrow, versionOf, wholePrefix } from './file-content.ts';
import { changedError } from './file-errors.ts';
import { PlannedFiles, type PlannedFilesOptions, type SourceFile, versionNow } from './planned-files.ts';
import type { SourceInput, SourceState } from './source-input.ts';

export interface SourceFilesOptions extends PlannedFilesOptions {
  /** Index of the source in the job. */
  readonly index: number;
  readonly files: readonly InputRef[];
}

interface QueuedFile extends SourceFile {
  /** Bytes of it that count as read. */
  readBytes: number;
}

/** The files of one source, one after the other. */
export class SourceFiles implements SourceInput {
  readonly index: number;
  readonly name: string;
  readonly byReference = true;
  readonly #options: SourceFilesOptions;
  readonly #files = new Map<string, QueuedFile>();
  readonly #planned: PlannedFiles;
  /** Files that are new or changed and not looked at yet. */
  #unchecked: QueuedFile[] = [];
  /** Files to be looked at once more when others have been. */
  #doubtful: QueuedFile[] = [];
  /** Files to be read; the one at `#at` is being read. */
  #queue: QueuedFile[] = [];
  #at = 0;
  #cursor: InputCursor | undefined;
  #inode: bigint | undefined;
  totalBytes = 0;
  /** Of files that are read to their end. */
  #endedBytes = 0;
  /** Raw bytes read of the present file, where that is known; else decoded ones. */
  #fileBytes = 0;

  constructor(options: SourceFilesOptions) {
    this.index = options.index;
    this.name = options.source;
    this.#options = options;
    this.#planned = new PlannedFiles(options, (name) => this.#files.has(name));
    this.add(options.files);
  }

  get readBytes(): number {
    const file = this.#queue[this.#at];
    if (file === undefined) return this.#endedBytes;
    return this.#endedBytes + Math.max(0, Math.min(file.ref.size, this.#fileBytes) - file.readBytes);
  }

  /** Takes files that were not there before, and those that are known in their present version. */
  add(files: readonly InputRef[]): void {
    for (const file of this.#doubtful.splice(0)) this.#unchecked.push(file);
    for (const ref of files) {
      let file = this.#files.get(ref.path);
      if (file === undefined) {
        file = { ref, accepted: false, readBytes: 0 };
        this.#files.set(ref.path, file);
        this.totalBytes += ref.size;
      } else {
        if (versionOf(ref) === versionOf(file.ref)) continue;
        this.totalBytes += Math.max(0, ref.size - file.ref.size);
        file.ref = ref;
        if (this.#unchecked.includes(file)) continue;
      }
      this.#unchecked.push(file);
    }
  }

  /** Whether there are rows to take; opens the next file if need be. */
  async state(): Promise<SourceState> {
    while (this.#cursor === undefined) {
      await this.#check();
      const file = this.#queue[this.#at];
      if (file === undefined) return 'ended';
      this.#cursor = await this.#open(file);
      if (this.#cursor === undefined || this.#cursor.ended) await this.#nextFile();
    }
    return 'rows';
  }

  /** Takes up to `max` rows into the builder. Only after {@link state} said so. */
  async take(builder: SegmentBuilder, max: number): Promise<{ piece: Piece; bytes: number }> {
    const { ref } = this.#queue[this.#at]!;
    const cursor = this.#cursor!;
    const { piece: taken, bytes } = await cursor.take(builder, max);
    const { size, mtimeMs } = versionNow(ref);
    const piece: Piece = { ...taken, size, mtimeMs };
    this.#planned.add(piece);
    if (!isText(ref.path)) this.#fileBytes += bytes;
    if (cursor.ended) {
      await this.#sure(ref, piece);
      await this.#nextFile();
    }
    return { piece, bytes };
  }

  /** Pieces without rows that belong before those that are taken next. */
  takeNotes(): readonly Piece[] {
    return this.#planned.takeNotes();
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
    this.#cursor = undefined;
  }

  async #check(): Promise<void> {
    const unchecked = this.#unchecked;
    if (unchecked.length === 0) return;
    this.#unchecked = [];
    const { ready, doubtful } = await this.#planned.check(unchecked);
    this.#doubtful = [...this.#doubtful, ...doubtful];
    this.#queue = [...this.#queue.slice(this.#at), ...ready];
    this.#at = 0;
  }

  /** @returns `undefined`: nothing more is to be read of it */
  async #open(file: QueuedFile): Promise<InputCursor | undefined> {
    const { path } = file.ref;
    const planned = await this.#planned.beforeReading(file);
    if (planned?.done) {
      const grown = mayGrow(path) && file.ref.size > (planned.prefix?.bytes ?? planned.size ?? 0);
      if (!grown || planned.version === versionOf(file.ref)) return undefined;
    }
    const ref = mayGrow(path) && !isObject(file.ref) ? { ...file.ref, grows: true } : file.ref;
    this.#inode = await inodeOf(path);
    const growing = this.#planned.isGrowing(ref);
    this.#fileBytes = planned?.position?.offset ?? 0;
    const cursor = await InputCursor.open(ref, {
      source: this.index,
      sourceName: this.name,
      name: path,
      version: versionOf(ref),
      from: planned,
      form: this.#options.form,
      ...(isText(path)
        ? { hasher: await hasherFor(ref, planned) }
        : { prefix: planned?.prefix ?? (await wholePrefix(ref)) }),
      growing,
      signal: this.#options.signal,
      onBytes: (bytes) => {
        this.#fileBytes += bytes;
      },
    });
    if (cursor.ended && planned !== undefined && !planned.done && !growing) {
      // It ends where it was planned to, which was not known.
      this.#planned.note(path, {
        ...planned,
        ...versionNow(ref),
        done: true,
        contentHash: undefined,
        moved: undefined,
      });
    }
    return cursor;
  }

  /** A file that was written to while it was read must still begin as it was read. */
  async #sure(ref: InputRef, piece: Piece): Promise<void> {
    if (!mayGrow(ref.path) || isObject(ref)) return;
    const now = await this.#options.lookAt(ref.path).catch(() => undefined);
    if (now === undefined || versionOf(now) === versionOf(ref) || (await inodeOf(ref.path)) !== this.#inode) return;
    if (!(await goesOn(now, plannedObject(piece)))) throw changedError(now, piece.to);
  }

  async #nextFile(): Promise<void> {
    await this.close();
    const file = this.#queue[this.#at]!;
    this.#endedBytes += Math.max(0, file.ref.size - file.readBytes);
    file.readBytes = file.ref.size;
    this.#fileBytes = 0;
    this.#at++;
  }
}

/** A hasher that stands where the reading of a text begins. `undefined`: what is before cannot be known cheaply. */
async function hasherFor(ref: InputRef, planned: PlannedObject | undefined): Promise<PrefixHasher | undefined> {
  if (planned === undefined) return new PrefixHasher();
  const { prefix, position, next } = planned;
  const line = position?.line ?? 1;
  const seeks = mayGrow(ref.path) && position?.offset !== undefined && position.row > 0;
  if (prefix === undefined) return seeks ? hasherAt(ref, position.offset, line) : undefined;
  if (!seeks) return PrefixHasher.again(prefix.bytes, line);
  const hasher = await hasherAfter(ref, prefix, line);
  if (hasher === undefined) throw changedError(ref, next);
  return hasher;
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await stat(path, { bigint: true }).catch(() => undefined))?.ino;
}
