/**
 * How far the files of one source are planned, and what follows for files that are new or changed: whether one still begins as
 * it was planned, and whether its content was read under another name. A decision is noted in a piece without rows, which goes
 * into the next plan, so that it is taken once.
 */
import { InputError } from '../errors.ts';
import { PrefixHasher } from '../plan/content-prefix.ts';
import type { Piece } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import { type PlannedObject, pieceWithoutRows, plannedObject } from '../plan/planner-log.ts';
import type { InputForm } from '../source/input-form.ts';
import { type InputRef, isObject, type LookAt } from '../source/input-ref.ts';
import { openRows } from '../source/open-rows.ts';
import {
  beginAlike,
  goesOn,
  hasherAfter,
  isText,
  KnownContent,
  mayGrow,
  type ReadBefore,
  versionOf,
} from './file-content.ts';
import { changedError, movedError } from './file-errors.ts';

/** What to do with content that was read under another name. */
export type Moved = 'skip' | 'read';

export interface PlannedFilesOptions {
  /** Name of the source. */
  readonly source: string;
  readonly form?: InputForm | undefined;
  readonly planner: Planner;
  /** `undefined`: refuse it, and ask. */
  readonly moved?: Moved | undefined;
  /** Files may grow while the job runs: only whole lines are read. */
  readonly following?: boolean | undefined;
  /** Finds out what is under a name now. */
  readonly lookAt: LookAt;
  /** Ends a reading that is under way, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A file of the source. */
export interface SourceFile {
  /** As it was last seen. */
  ref: InputRef;
  /** The user wants all of it read, although its content was read under another name. */
  accepted: boolean;
  /** How much of it was compared in full, bytes. */
  comparedBytes?: number;
  /** It no longer began as planned when it was last looked at. */
  doubtful?: boolean;
}

interface MovedFile {
  readonly file: SourceFile;
  readonly before: ReadBefore;
}

/** What is planned beyond this size is compared in full only when the file has grown by a quarter; in between, its last MiB. */
const COMPARE_BYTES = 16 << 20;

export class PlannedFiles {
  readonly #options: PlannedFilesOptions;
  /** Whether a name is among the files to be read. */
  readonly #isInput: (name: string) => boolean;
  readonly #content: KnownContent;
  #contentLoaded = false;
  #notes: Piece[] = [];

  constructor(options: PlannedFilesOptions, isInput: (name: string) => boolean) {
    this.#options = options;
    this.#isInput = isInput;
    this.#content = new KnownContent(options.lookAt);
  }

  /** How far a file is planned, or read for the next plan; `undefined`: nothing of it is. */
  async of(name: string): Promise<PlannedObject | undefined> {
    const planned = this.#content.get(name) ?? (await this.#options.planner.planned(this.#options.source, name));
    return planned === undefined || planned.next === 0 ? undefined : planned;
  }

  /** Takes rows that were read: they are known before they are planned. */
  add(piece: Piece): void {
    this.#content.set(piece.name, plannedObject(piece));
  }

  /** Notes without a row how far a file is planned. */
  note(name: string, planned: PlannedObject): void {
    const piece = pieceWithoutRows(this.#options.source, name, planned);
    this.#notes.push(piece);
    this.add(piece);
  }

  /** Pieces without rows that belong before those that are taken next. */
  takeNotes(): readonly Piece[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  /**
   * Looks at files that are new or changed, before anything of them is read.
   * @returns those to be read, in order, and those to be looked at once more: a listing may be of the moment between two renames
   * @throws {InputError} `INPUT_CHANGED`, `INPUT_MOVED`
   */
  async check<F extends SourceFile>(files: readonly F[]): Promise<{ readonly ready: F[]; readonly doubtful: F[] }> {
    const unknown: F[] = [];
    const changed: F[] = [];
    for (const file of files) {
      const planned = await this.of(file.ref.path);
      if (planned === undefined) unknown.push(file);
      else if (planned.version !== versionOf(file.ref) && !(await this.#goesOn(file, planned))) changed.push(file);
    }
    const moved: MovedFile[] = [];
    for (const file of [...unknown, ...changed]) {
      const before = await this.#readAs(file);
      if (before !== undefined) moved.push({ file, before });
    }
    const doubtful = await this.#doubtful(changed, moved);
    for (const file of files) file.doubtful = doubtful.includes(file);
    await this.#settle(
      moved,
      changed.filter((file) => !file.doubtful),
    );
    // Moved files last: what they have in common with one that is not read to its end yet is read there.
    const last = new Set<SourceFile>(moved.map(({ file }) => file));
    const sure = files.filter((file) => !file.doubtful);
    return { ready: [...sure.filter((file) => !last.has(file)), ...sure.filter((file) => last.has(file))], doubtful };
  }

  /**
   * How far a file is planned, right before it is read: since {@link check}, others were read, and among them may be the one
   * that it is a copy of.
   * @throws {InputError} `INPUT_MOVED`
   */
  async beforeReading(file: SourceFile): Promise<PlannedObject | undefined> {
    const { path } = file.ref;
    const planned = await this.of(path);
    if (planned !== undefined && planned.moved === undefined) return planned;
    const before = await this.#readAs(file);
    if (before === undefined || before.bytes <= (planned?.prefix?.bytes ?? 0)) return planned;
    await this.#settle([{ file, before }], []);
    return this.of(path);
  }

  /** Its last line may not be all there yet. An object is whole when it is there. */
  isGrowing(ref: InputRef): boolean {
    return mayGrow(ref.path) && !isObject(ref) && this.#options.following === true;
  }

  async #goesOn(file: SourceFile, planned: PlannedObject): Promise<boolean> {
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
  async #readAs(file: SourceFile): Promise<ReadBefore | undefined> {
    const { planner, source } = this.#options;
    if (file.accepted || file.ref.size === 0) return undefined;
    if (!this.#contentLoaded) {
      this.#contentLoaded = true;
      const planned = planner.position === 0 ? [] : await planner.plannedObjects(source);
      for (const [name, object] of planned) if (this.#content.get(name) === undefined) this.#content.set(name, object);
    }
    return this.#content.find(file.ref, (name) => !this.#isInput(name));
  }

  /**
   * Of the changed files those that are looked at once more before they are refused.
   * @throws {InputError} `INPUT_CHANGED`
   */
  async #doubtful<F extends SourceFile>(changed: readonly F[], moved: readonly MovedFile[]): Promise<F[]> {
    const doubtful: F[] = [];
    for (const file of changed) {
      // What it held is elsewhere, as when logs are rotated: then its name stands for a new file.
      if (moved.some((m) => m.before.names.includes(file.ref.path))) continue;
      const planned = (await this.of(file.ref.path))!;
      if (moved.some((m) => m.file === file && standsForAnother(m.before, planned))) continue;
      if (this.#options.following && !file.doubtful) doubtful.push(file);
      else throw changedError(file.ref, planned.next);
    }
    return doubtful;
  }

  /**
   * Does with moved files as the user chose, and notes it.
   * @param changed files that no longer hold what was read of them
   * @throws {InputError} `INPUT_MOVED`: the user has not chosen
   */
  async #settle(moved: readonly MovedFile[], changed: readonly SourceFile[]): Promise<void> {
    const { moved: choice } = this.#options;
    const found = moved.map((m) => ({ ...m, planned: this.#content.get(m.before.name)! }));
    const [first] = found;
    if (first !== undefined && choice === undefined) {
      throw movedError(first.file.ref, first.before, first.planned.next, moved.length - 1);
    }
    const renewed = new Set(changed.map((file) => file.ref.path));
    for (const { before } of moved) {
      for (const name of before.names) if (await this.#isGone(name)) renewed.add(name);
    }
    for (const name of renewed) this.note(name, { version: '', next: 0, done: true });
    for (const { file, before, planned } of found) {
      if (choice === 'read') file.accepted = true;
      else this.#noteMoved(file.ref, before.name, before.within ? await this.#contentOf(file.ref) : planned);
    }
  }

  /** How far a file would be planned if all of it were. */
  async #contentOf(ref: InputRef): Promise<PlannedObject> {
    const hasher = new PrefixHasher();
    let next = 0;
    const growing = this.isGrowing(ref);
    const { signal, form } = this.#options;
    for await (const chunk of openRows(ref, { growing, form, signal, onText: (block) => hasher.push(block) })) {
      next += chunk.rows.length;
      hasher.toLine(chunk.end.line ?? Number.POSITIVE_INFINITY);
    }
    const position = { row: next, line: hasher.line, offset: mayGrow(ref.path) ? hasher.bytes : undefined };
    return { version: '', next, position, done: false, prefix: hasher.prefix };
  }

  /** Notes that a file is planned as far as the content that was read under the name `from`. */
  #noteMoved(ref: InputRef, from: string, { next, position, prefix, contentHash }: PlannedObject): void {
    const { path, size } = ref;
    const done = prefix === undefined || !isText(path) || (mayGrow(path) && size === prefix.bytes);
    this.note(path, { ...versionNow(ref), next, position, done, contentHash, prefix, moved: from });
  }

  async #isGone(name: string): Promise<boolean> {
    try {
      await this.#options.lookAt(name);
      return false;
    } catch (error) {
      return error instanceof InputError && error.code === 'INPUT_MISSING';
    }
  }
}

/** A file's version as plans have it. Of an object its etag tells more than its modification time. */
export function versionNow(ref: InputRef): Pick<Piece, 'version' | 'size' | 'mtimeMs'> {
  return { version: versionOf(ref), size: ref.size, mtimeMs: isObject(ref) ? undefined : ref.mtimeMs };
}

/**
 * Whether a name has come to stand for another file's content, as in a chain of rotated logs whose last one is dropped. A file
 * that begins as before was itself changed, except where it is the beginning of another file: then no row of it can come twice.
 */
function standsForAnother({ heads, within }: ReadBefore, planned: PlannedObject): boolean {
  return within === true || planned.prefix === undefined || !beginAlike(heads, planned.prefix.heads);
}
