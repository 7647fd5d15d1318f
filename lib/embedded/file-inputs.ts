/**
 * Input files of the embedded engine, objects in S3 among them: read in order, and planned by reference, since files stay
 * where they are. How far a file is planned is the planner's state, with a hash of what that was. So nothing is read twice:
 * not under another name, unless the user says so, and not when it was only touched. Lines may be added to a text; whatever
 * else was changed after it was planned is refused.
 */
import { stat } from 'node:fs/promises';
import { InputError, JobError } from '../errors.ts';
import type { Skip } from '../manifest/manifest.ts';
import { PrefixHasher } from '../plan/content-prefix.ts';
import { InputCursor } from '../plan/input-cursor.ts';
import type { Piece, Plan } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import { type PlannedObject, plannedObject } from '../plan/planner-log.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { SegmentBuilder } from '../plan/segment-builder.ts';
import type { InputForm } from '../source/input-form.ts';
import { type InputRef, isObject, type LookAt } from '../source/input-ref.ts';
import { openRows } from '../source/open-rows.ts';
import type { PhysicalJob, PhysicalSource } from '../stream/compile/physical.ts';
import {
  beginAlike,
  goesOn,
  hasherAfter,
  hasherAt,
  isText,
  KnownContent,
  mayGrow,
  type ReadBefore,
  versionOf,
  wholePrefix,
} from './file-content.ts';
import type { SourceInput, SourceState } from './source-input.ts';

/** Where the rows of planned files are. */
export interface Replay {
  readonly lookAt: LookAt;
  /** Files that are there now, by source: among them one is looked for that was renamed since it was planned. */
  readonly files: ReadonlyMap<string, readonly InputRef[]>;
  readonly skips?: readonly Skip[] | undefined;
}

/** Rows that stay where they are need not be whole in memory: of most the job asks but some fields. */
export function formOf({ form, asked }: PhysicalSource): InputForm {
  return asked === undefined ? { ...form } : { ...form, asked };
}

/**
 * The inputs of a planned batch, decoded again from the files it names.
 * @throws {InputError} @throws {JobError} `HEAD_CHANGED`
 */
export async function replayFiles(
  job: PhysicalJob,
  plan: Plan,
  { lookAt, files, skips }: Replay,
): Promise<PartitionInput[]> {
  if (plan.headHash !== job.headHash) {
    throw new JobError(
      'HEAD_CHANGED',
      `batch ${plan.n} was planned before the job's functions (source, map, filter, keyBy …) were changed, and is not finished. Put those functions back as they were and run the job once, to finish the batch; then change them. Functions of operators (aggregates, reduce …) may be corrected right away, and if the batch stops at a row, misa resume ${job.name} --skip-row sets that aside.`,
    );
  }
  // What was planned with rows set aside stays so, whatever the job says by now.
  const builder = new SegmentBuilder({ ...job, onBadRow: 'quarantine', onError: 'quarantine' }, skips);
  for (const piece of plan.pieces) {
    if (piece.from === piece.to) continue;
    const source = job.sources.findIndex((s) => s.name === piece.source);
    builder.open({ source, name: piece.name });
    const file = await fileOf(piece, lookAt).catch(async (error: unknown) => {
      if (!isGoneOrChanged(error)) throw error;
      const renamed = await renamedFile(piece, files.get(piece.source) ?? [], lookAt);
      if (renamed === undefined) throw error;
      return renamed;
    });
    const form = formOf(job.sources[source]!);
    const range = { fromRow: piece.from, toRow: piece.to, near: piece.fromPosition, form };
    for await (const chunk of openRows(file, range)) builder.addChunk(chunk, 0, chunk.count);
  }
  if (builder.rows !== plan.counts.rows || builder.quarantined !== plan.counts.quarantined) {
    throw new JobError(
      'NOT_DETERMINISTIC',
      `batch ${plan.n} had ${plan.counts.rows} rows, of them ${plan.counts.quarantined} set aside, when it was planned; now ${builder.rows} and ${builder.quarantined}. A function of the job gives other results than before: it must depend on the row alone.`,
    );
  }
  return builder.finish();
}

/** The file of a piece, as it is now if it still begins as it was planned. */
async function fileOf(piece: Piece, lookAt: LookAt): Promise<InputRef> {
  const now = await lookAt(piece.name);
  if (isObject(now)) {
    if (versionOf(now) === piece.version || (await goesOn(now, plannedObject(piece)))) return now;
    throw changedError(now, piece.from);
  }
  const planned = { path: piece.name, size: piece.size!, mtimeMs: piece.mtimeMs! };
  if (piece.prefix === undefined || versionOf(now) === versionOf(planned)) return planned;
  if (!(await goesOn(now, plannedObject(piece)))) throw changedError(now, piece.from);
  return mayGrow(now.path) ? { ...now, grows: true } : now;
}

/** The file that holds the rows of a piece under another name: it was renamed, or rotated, before its batch was finished. */
async function renamedFile(piece: Piece, files: readonly InputRef[], lookAt: LookAt): Promise<InputRef | undefined> {
  const planned = plannedObject(piece);
  if (planned.prefix === undefined) return undefined;
  const content = new KnownContent(lookAt);
  content.set(piece.name, planned);
  for (const file of files) {
    const found = await content.find(file, () => true);
    if (found === undefined || found.within) continue;
    return mayGrow(file.path) && !isObject(file) ? { ...file, grows: true } : file;
  }
  return undefined;
}

function isGoneOrChanged(error: unknown): boolean {
  return error instanceof InputError && (error.code === 'INPUT_MISSING' || error.code === 'INPUT_CHANGED');
}

/** What to do with content that was read under another name. */
export type Moved = 'skip' | 'read';

export interface SourceFilesOptions {
  /** Index of the source in the job, and its name. */
  readonly index: number;
  readonly name: string;
  readonly form?: InputForm | undefined;
  readonly planner: Planner;
  readonly files: readonly InputRef[];
  /** `undefined`: refuse it, and ask. */
  readonly moved?: Moved | undefined;
  /** Files may grow while the job runs: only whole lines are read. */
  readonly following?: boolean | undefined;
  /** Finds out what is under a name now. */
  readonly lookAt: LookAt;
  /** Ends a reading that is under way, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

interface FileState {
  ref: InputRef;
  /** Is to be read as it is, whatever it holds. */
  accepted: boolean;
  /** Bytes of it that count as read. */
  readBytes: number;
  /** How much of it was compared in full, bytes. */
  comparedBytes?: number;
  /** It no longer went on as planned when it was last looked at. */
  doubtful?: boolean;
}

/** More than so much is compared in full only when it has grown by a quarter; in between, its last MiB. */
const COMPARE_BYTES = 16 << 20;

/** The files of one source, one after the other. */
export class SourceFiles implements SourceInput {
  readonly index: number;
  readonly name: string;
  readonly byReference = true;
  readonly #options: SourceFilesOptions;
  readonly #files = new Map<string, FileState>();
  readonly #content: KnownContent;
  #contentLoaded = false;
  /** Files that are new or changed and not looked at yet; and those to be read, the first being read. */
  #unchecked: FileState[] = [];
  #doubtful: FileState[] = [];
  #queue: FileState[] = [];
  #at = 0;
  #cursor: InputCursor | undefined;
  #inode: bigint | undefined;
  #notes: Piece[] = [];
  totalBytes = 0;
  /** Of files that are read to their end. */
  #endedBytes = 0;
  /** Raw bytes read of the present file, where that is known; else decoded ones. */
  #fileBytes = 0;

  constructor(options: SourceFilesOptions) {
    this.index = options.index;
    this.name = options.name;
    this.#options = options;
    this.#content = new KnownContent(options.lookAt);
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
    const piece: Piece = { ...taken, size: ref.size, mtimeMs: mtimeOf(ref) };
    this.#content.set(ref.path, plannedObject(piece));
    if (!isText(ref.path)) this.#fileBytes += bytes;
    if (cursor.ended) {
      await this.#sure(ref, piece);
      await this.#nextFile();
    }
    return { piece, bytes };
  }

  /** Pieces without rows that belong before those that are taken next. */
  takeNotes(): readonly Piece[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
    this.#cursor = undefined;
  }

  /**
   * Looks at files that are new or changed before anything of them is read: whether they go on as they were planned, and
   * whether what they hold was read under another name.
   */
  async #check(): Promise<void> {
    const unchecked = this.#unchecked;
    if (unchecked.length === 0) return;
    this.#unchecked = [];
    const strange: FileState[] = [];
    const changed: FileState[] = [];
    for (const file of unchecked) {
      const planned = await this.#planned(file.ref.path);
      if (planned === undefined) strange.push(file);
      else if (planned.version !== versionOf(file.ref) && !(await this.#goesOn(file, planned))) changed.push(file);
    }
    const moved: MovedFile[] = [];
    for (const file of [...strange, ...changed]) {
      const before = await this.#readAs(file);
      if (before !== undefined) moved.push({ file, before });
    }
    for (const file of changed) {
      // What it held is elsewhere, as when logs are rotated: then its name stands for a new file.
      if (moved.some((m) => m.before.names.includes(file.ref.path))) continue;
      const planned = (await this.#planned(file.ref.path))!;
      if (moved.some((m) => m.file === file && standsForAnother(m.before, planned))) continue;
      // The listing may be of the moment between two renames.
      if (this.#options.following && !file.doubtful) this.#doubtful.push(file);
      else throw changedError(file.ref, planned.next);
    }
    const doubtful = new Set(this.#doubtful);
    for (const file of unchecked) file.doubtful = doubtful.has(file);
    await this.#settle(
      moved,
      changed.filter((file) => !file.doubtful),
    );
    // Moved files last: what they have in common with one that is not read to its end yet is read there.
    const last = new Set(moved.map(({ file }) => file));
    const ready = unchecked.filter((file) => !file.doubtful);
    this.#queue = [
      ...this.#queue.slice(this.#at),
      ...ready.filter((file) => !last.has(file)),
      ...ready.filter((file) => last.has(file)),
    ];
    this.#at = 0;
  }

  /** How far a file is planned, or gathered; `undefined`: nothing of it is. */
  async #planned(name: string): Promise<PlannedObject | undefined> {
    const planned = this.#content.get(name) ?? (await this.#options.planner.planned(this.name, name));
    return planned === undefined || planned.next === 0 ? undefined : planned;
  }

  async #goesOn(file: FileState, planned: PlannedObject): Promise<boolean> {
    const { prefix, position } = planned;
    const { comparedBytes = 0 } = file;
    const near = prefix !== undefined && prefix.bytes > COMPARE_BYTES && prefix.bytes < comparedBytes * 1.25;
    if (near && mayGrow(file.ref.path)) {
      return (await hasherAfter(file.ref, prefix, position?.line ?? 1)) !== undefined;
    }
    file.comparedBytes = prefix?.bytes ?? 0;
    return goesOn(file.ref, planned);
  }

  /** Whether a file's beginning was read under another name. */
  async #readAs(file: FileState): Promise<ReadBefore | undefined> {
    const { planner } = this.#options;
    if (file.accepted || file.ref.size === 0) return undefined;
    if (!this.#contentLoaded) {
      this.#contentLoaded = true;
      const planned = planner.position === 0 ? [] : await planner.plannedObjects(this.name);
      for (const [name, object] of planned) if (this.#content.get(name) === undefined) this.#content.set(name, object);
    }
    return this.#content.find(file.ref, (name) => !this.#files.has(name));
  }

  /**
   * Does with moved files as the user chose, and notes it, so that it is done once.
   * @param changed files that no longer hold what was read of them
   * @throws {InputError} `INPUT_MOVED`: the user has not chosen
   */
  async #settle(moved: readonly MovedFile[], changed: readonly FileState[]): Promise<void> {
    const { moved: choice } = this.#options;
    if (moved.length > 0 && choice === undefined) throw movedError(moved, this.#content);
    const renewed = new Set(changed.map((file) => file.ref.path));
    for (const { before } of moved) {
      for (const name of before.names) if (await this.#isGone(name)) renewed.add(name);
    }
    const found = moved.map((m) => ({ ...m, planned: this.#content.get(m.before.name)! }));
    for (const name of renewed) {
      this.#note({ source: this.name, name, version: '', from: 0, to: 0, done: true });
    }
    for (const { file, before, planned } of found) {
      if (choice === 'read') file.accepted = true;
      else this.#noteMoved(file.ref, before.name, before.within ? await this.#contentOf(file.ref) : planned);
    }
  }

  /** How far a file would be planned if all of it were. */
  async #contentOf(ref: InputRef): Promise<PlannedObject> {
    const hasher = new PrefixHasher();
    let next = 0;
    const growing = this.#growing(ref);
    const { signal, form } = this.#options;
    for await (const chunk of openRows(ref, { growing, form, signal, onText: (block) => hasher.push(block) })) {
      next += chunk.rows.length;
      hasher.toLine(chunk.end.line ?? Number.POSITIVE_INFINITY);
    }
    const position = { row: next, line: hasher.line, offset: mayGrow(ref.path) ? hasher.bytes : undefined };
    return { version: '', next, position, done: false, prefix: hasher.prefix };
  }

  #noteMoved(ref: InputRef, from: string, { next, position, prefix, contentHash }: PlannedObject): void {
    const { path, size } = ref;
    const mtimeMs = mtimeOf(ref);
    const whole = prefix === undefined || !isText(path) || (mayGrow(path) && size === prefix.bytes);
    this.#note({
      source: this.name,
      name: path,
      version: versionOf(ref),
      from: next,
      to: next,
      toPosition: position,
      done: whole,
      size,
      mtimeMs,
      contentHash,
      prefix,
      moved: from,
    });
  }

  #note(piece: Piece): void {
    this.#notes.push(piece);
    this.#content.set(piece.name, plannedObject(piece));
  }

  /** @returns `undefined`: nothing more is to be read of it */
  async #open(file: FileState): Promise<InputCursor | undefined> {
    const { path } = file.ref;
    let planned = await this.#planned(path);
    if (planned === undefined || planned.moved !== undefined) {
      // Since it was looked at, others were read, or the one that it is a copy of.
      const before = await this.#readAs(file);
      if (before !== undefined && before.bytes > (planned?.prefix?.bytes ?? 0)) {
        await this.#settle([{ file, before }], []);
        planned = await this.#planned(path);
      }
    }
    if (planned?.done) {
      const grown = mayGrow(path) && file.ref.size > (planned.prefix?.bytes ?? planned.size ?? 0);
      if (!grown || planned.version === versionOf(file.ref)) return undefined;
    }
    const ref = mayGrow(path) && !isObject(file.ref) ? { ...file.ref, grows: true } : file.ref;
    this.#inode = await inodeOf(path);
    const growing = this.#growing(ref);
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
      const { next, position, prefix } = planned;
      const { size } = ref;
      const mtimeMs = mtimeOf(ref);
      this.#note({
        source: this.name,
        name: path,
        version: versionOf(ref),
        from: next,
        to: next,
        toPosition: position,
        done: true,
        size,
        mtimeMs,
        prefix,
      });
    }
    return cursor;
  }

  /** Its last line may not be all there yet. An object is whole when it is there. */
  #growing(ref: InputRef): boolean {
    return mayGrow(ref.path) && !isObject(ref) && this.#options.following === true;
  }

  async #isGone(name: string): Promise<boolean> {
    try {
      await this.#options.lookAt(name);
      return false;
    } catch (error) {
      return error instanceof InputError && error.code === 'INPUT_MISSING';
    }
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

interface MovedFile {
  readonly file: FileState;
  readonly before: ReadBefore;
}

/**
 * Whether a name has come to stand for another file's content, as in a chain of rotated logs whose last one is dropped. One
 * that begins as before was itself changed; unless it is the beginning of another one, then no row of it can come twice.
 */
function standsForAnother({ heads, within }: ReadBefore, planned: PlannedObject): boolean {
  return within === true || planned.prefix === undefined || !beginAlike(heads, planned.prefix.heads);
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

/** Of an object its etag tells more. */
function mtimeOf(ref: InputRef): number | undefined {
  return isObject(ref) ? undefined : ref.mtimeMs;
}

function changedError({ path }: InputRef, rows: number): InputError {
  const advice = mayGrow(path)
    ? `Only new lines behind its last one may be added. Put it back as it was; or take it out of the input and give what is new as a new file; or start over with a new --store. If it was rotated, give the file that it became as input, too.`
    : `Put it back as it was; or take it out of the input and give what comes after its first ${rows} rows as a new file; or start over with a new --store.`;
  return new InputError('INPUT_CHANGED', `${path} was changed after ${rows} of its rows were planned. ${advice}`, path);
}

function movedError(moved: readonly MovedFile[], content: KnownContent): InputError {
  const [{ file, before }] = moved as [MovedFile];
  const { path } = file.ref;
  const rows = content.get(before.name)!.next;
  const begins = before.within
    ? `${path} holds nothing but rows that were read as ${before.name}`
    : `${path} begins with the ${rows === 1 ? 'row that was' : `${rows} rows that were`} read as ${before.name}`;
  const others = moved.length === 1 ? '' : ` (and ${moved.length - 1} more such files)`;
  const choice =
    'Say once what to do with content that was read under another name: --moved skip (it is not read again; what follows it is) or --moved read (all of it is read, as new rows).';
  return new InputError('INPUT_MOVED', `${begins}${others}: it was moved or copied. ${choice}`, path);
}
