/**
 * Files as content: whether one begins as an earlier one did, or as it did itself when it was read. Reads only what it must:
 * the first 64 KiB to find candidates, and all that was planned of one to be sure.
 */
import { type ContentPrefix, HEAD_BYTES, headsOf, PREFIX_BLOCK_BYTES, PrefixHasher } from '../plan/content-prefix.ts';
import type { PlannedObject } from '../plan/planner-log.ts';
import { DamagedStreamError, decompress } from '../source/decompress.ts';
import { hashFile } from '../source/file-blocks.ts';
import { detectFormat } from '../source/format.ts';
import type { ObjectReader } from '../source/input-object.ts';
import { type InputRef, isObject, type LookAt, openInput } from '../source/input-ref.ts';

const LONGEST_HEAD = HEAD_BYTES[HEAD_BYTES.length - 1]!;
const NEWLINE = 10;
const RETURN = 13;

/** A shorter file is never taken for the beginning of another one: too many short files begin alike. */
const WITHIN_BYTES = 4096;

/** Whether rows may be appended to it: only to uncompressed text. */
export function mayGrow(path: string): boolean {
  const { rows, compression } = detectFormat(path);
  return rows !== 'parquet' && compression === 'none';
}

export function isText(path: string): boolean {
  return detectFormat(path).rows !== 'parquet';
}

export function versionOf(file: InputRef): string {
  if (isObject(file)) return `${file.size}-${file.etag}`;
  return `${file.size}-${file.mtimeMs}`;
}

/** The prefix of a file that is planned as a whole, or not at all (Parquet). */
export async function wholePrefix(file: InputRef): Promise<ContentPrefix> {
  const hasher = new PrefixHasher();
  for await (const block of contentOf(file)) {
    hasher.push(block);
    hasher.toEnd();
  }
  return hasher.prefix;
}

/** Whether a file still begins with what is planned of it, and what follows may be read as its next rows. */
export async function goesOn(file: InputRef, planned: PlannedObject): Promise<boolean> {
  const { prefix } = planned;
  if (prefix === undefined) return goesOnByHash(file, planned);
  if (mayGrow(file.path) && file.size < prefix.bytes) return false;
  const [found] = await beginnings(file, [prefix.bytes]);
  if (found === undefined || found.prefix.hash !== prefix.hash) return false;
  if (found.next === undefined) return true;
  if (prefix.open && !endsLine(found.next)) return false;
  return mayGrow(file.path) || !planned.done;
}

/** The same, for files that were planned by versions before 0.2, which hashed whole files only. */
async function goesOnByHash(file: InputRef, { done, size, contentHash }: PlannedObject): Promise<boolean> {
  if (isObject(file) || !done || size === undefined || contentHash === undefined || file.size < size) return false;
  if ((await hashFile(file.path, size)) !== contentHash) return false;
  if (file.size === size) return true;
  if (!mayGrow(file.path)) return false;
  const [found] = await beginnings(file, [size]);
  return found !== undefined && (found.prefix.open !== true || endsLine(found.next));
}

/**
 * A hasher that goes on behind the planned prefix of a file that is read on from there. Reads less than 1 MiB, and checks it.
 * @returns `undefined`: the file no longer begins so
 */
export async function hasherAfter(
  file: InputRef,
  prefix: ContentPrefix,
  line: number,
): Promise<PrefixHasher | undefined> {
  if (file.size < prefix.bytes) return undefined;
  const input = await openInput(file, true);
  try {
    const tail = prefix.bytes % PREFIX_BLOCK_BYTES;
    const hasher = PrefixHasher.after(prefix, await input.read(prefix.bytes - tail, tail), line);
    return hasher.prefix.hash === prefix.hash ? hasher : undefined;
  } finally {
    await input.close();
  }
}

/** A hasher that goes on at `bytes` of a file of which no prefix is known: reads all that is before. */
export async function hasherAt(file: InputRef, bytes: number, line: number): Promise<PrefixHasher> {
  const hasher = PrefixHasher.again(bytes, line);
  for await (const block of contentOf(file)) {
    hasher.push(block.subarray(0, bytes - hasher.bytes));
    if (hasher.bytes >= bytes) break;
  }
  return hasher;
}

/** Content that was read under another name. */
export interface ReadBefore {
  readonly name: string;
  /** All names under which exactly this content was read. */
  readonly names: readonly string[];
  /** How many bytes of the file that is. */
  readonly bytes: number;
  /** Of the file, as in {@link ContentPrefix.heads}. */
  readonly heads: readonly string[];
  /** The file is only the beginning of what was read under `name`. */
  readonly within?: boolean | undefined;
}

/** Whether two contents begin alike, as far as the longest head that both have tells. */
export function beginAlike(a: readonly string[], b: readonly string[]): boolean {
  const common = Math.min(a.length, b.length);
  return common > 0 && a[common - 1] === b[common - 1];
}

/** What was read of files, found by content. */
export class KnownContent {
  /** What is planned, by name. */
  readonly #planned = new Map<string, PlannedObject>();
  /** Names, by length and hash of what is planned. */
  readonly #names = new Map<string, Set<string>>();
  /** Lengths of what is planned, by its longest head. */
  readonly #lengths = new Map<string, Set<number>>();
  /** Names, by their heads of 4 KiB and 64 KiB. */
  readonly #beginning = new Map<string, Set<string>>();
  /** Names of what was planned without a prefix, by size. */
  readonly #whole = new Map<number, Set<string>>();
  readonly #lookAt: LookAt;

  constructor(lookAt: LookAt) {
    this.#lookAt = lookAt;
  }

  get(name: string): PlannedObject | undefined {
    return this.#planned.get(name);
  }

  /** Sets how far an object is planned; replaces what was known of it. */
  set(name: string, planned: PlannedObject): void {
    const before = this.#planned.get(name);
    if (before?.prefix !== undefined) this.#names.get(contentKey(before.prefix))?.delete(name);
    this.#planned.set(name, planned);
    const { prefix, next, done, size, contentHash } = planned;
    if (next === 0) return;
    if (prefix !== undefined) {
      setIn(this.#names, contentKey(prefix)).add(name);
      setIn(this.#lengths, prefix.heads.at(-1) ?? '').add(prefix.bytes);
      for (const head of prefix.heads.slice(1)) setIn(this.#beginning, head).add(name);
    } else if (done && size !== undefined && contentHash !== undefined) {
      setIn(this.#whole, size).add(name);
    }
  }

  /**
   * Another name under which the file's beginning was read: of an object of which the file begins with all that is planned,
   * the one with the most; else of one whose planned part begins with the whole file (from 4 KiB on).
   * @param prefer of several, one for which this holds
   */
  async find(file: InputRef, prefer: (name: string) => boolean): Promise<ReadBefore | undefined> {
    if (this.#planned.size === 0 || file.size === 0) return undefined;
    const beginning = await beginningOf(file);
    const heads = headsOf(beginning);
    const lengths = new Set<number>();
    for (const head of ['', ...heads]) for (const length of this.#lengths.get(head) ?? []) lengths.add(length);
    const whole = beginning.length < LONGEST_HEAD;
    const near = [...lengths].filter((length) => length < beginning.length || (whole && length === beginning.length));
    const far = whole ? [] : [...lengths].filter((length) => length >= beginning.length);
    const found = [...prefixesIn(beginning, near), ...(far.length === 0 ? [] : await beginnings(file, far))];
    for (const { prefix, next } of found.sort((a, b) => b.prefix.bytes - a.prefix.bytes)) {
      if (prefix.open && !endsLine(next)) continue;
      const names = [...(this.#names.get(contentKey(prefix)) ?? [])].filter((name) => name !== file.path);
      if (names.length > 0) return { name: names.find(prefer) ?? names[0]!, names, bytes: prefix.bytes, heads };
    }
    return (await this.#findWhole(file, prefer, heads)) ?? (await this.#findAround(file, heads));
  }

  /** Whether a file is the beginning of what is planned of another one, which must still be there to be compared. */
  async isWithin(file: InputRef, name: string): Promise<ReadBefore | undefined> {
    const { prefix } = this.#planned.get(name) ?? {};
    if (prefix === undefined || !isText(file.path) || file.path === name) return undefined;
    const around = await this.#lookAt(name).catch(() => undefined);
    if (around === undefined) return undefined;
    const { bytes, hash, heads } = await wholePrefix(file);
    if (bytes === 0 || bytes >= prefix.bytes) return undefined;
    const [found] = await beginnings(around, [bytes]);
    return found?.prefix.hash === hash ? { name, names: [name], bytes, heads, within: true } : undefined;
  }

  async #findAround(file: InputRef, heads: readonly string[]): Promise<ReadBefore | undefined> {
    if (file.size < WITHIN_BYTES || heads.length < 2) return undefined;
    for (const name of this.#beginning.get(heads.at(-1)!) ?? []) {
      const found = await this.isWithin(file, name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #findWhole(
    file: InputRef,
    prefer: (name: string) => boolean,
    heads: readonly string[],
  ): Promise<ReadBefore | undefined> {
    const names = [...(this.#whole.get(file.size) ?? [])].filter(
      (name) => name !== file.path && this.#planned.get(name)?.prefix === undefined,
    );
    if (names.length === 0 || isObject(file)) return undefined;
    const hash = await hashFile(file.path);
    const equal = names.filter((name) => this.#planned.get(name)!.contentHash === hash);
    if (equal.length === 0) return undefined;
    return { name: equal.find(prefer) ?? equal[0]!, names: equal, bytes: file.size, heads };
  }
}

interface Beginning {
  readonly prefix: ContentPrefix;
  /** The byte that follows; `undefined`: the content ends there. */
  readonly next: number | undefined;
}

/** The beginnings of these lengths, of those that the file has, in one reading. */
async function beginnings(file: InputRef, lengths: readonly number[]): Promise<Beginning[]> {
  const found: Beginning[] = [];
  const wanted = [...lengths].sort((a, b) => a - b);
  const hasher = PrefixHasher.again(Number.POSITIVE_INFINITY, 1);
  let waiting: ContentPrefix | undefined;
  for await (let block of contentOf(file)) {
    while (block.length > 0) {
      if (waiting !== undefined) found.push({ prefix: waiting, next: block[0] });
      waiting = undefined;
      if (wanted.length === 0) return found;
      const part = block.subarray(0, wanted[0]! - hasher.bytes);
      hasher.push(part);
      block = block.subarray(part.length);
      if (hasher.bytes < wanted[0]!) continue;
      waiting = hasher.prefix;
      wanted.shift();
    }
  }
  if (waiting !== undefined) found.push({ prefix: waiting, next: undefined });
  return found;
}

function prefixesIn(content: Buffer, lengths: readonly number[]): Beginning[] {
  const hasher = PrefixHasher.again(Number.POSITIVE_INFINITY, 1);
  return [...lengths]
    .sort((a, b) => a - b)
    .map((length) => {
      hasher.push(content.subarray(hasher.bytes, length));
      return { prefix: hasher.prefix, next: content[length] };
    });
}

async function beginningOf(file: InputRef): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let bytes = 0;
  for await (const block of contentOf(file, LONGEST_HEAD)) {
    blocks.push(block);
    bytes += block.length;
    if (bytes >= LONGEST_HEAD) break;
  }
  return Buffer.concat(blocks).subarray(0, LONGEST_HEAD);
}

/**
 * Bytes as prefixes count them. Where they are damaged they end: whoever reads the rows says so.
 * @param head about so many are wanted; they are read alone, so that no stream is begun that is broken off
 */
async function* contentOf(file: InputRef, head = 0): AsyncGenerator<Buffer> {
  const { rows, compression } = detectFormat(file.path);
  const input = await openInput(file, mayGrow(file.path));
  try {
    const blocks = blocksOf(input, Math.min(head, file.size));
    yield* rows === 'parquet' ? blocks : decompress(blocks, compression);
  } catch (error) {
    if (!(error instanceof DamagedStreamError)) throw error;
  } finally {
    await input.close();
  }
}

async function* blocksOf(input: ObjectReader, head: number): AsyncGenerator<Buffer> {
  if (head > 0) yield await input.read(0, head);
  yield* input.blocks(head);
}

function endsLine(next: number | undefined): boolean {
  return next === undefined || next === NEWLINE || next === RETURN;
}

function contentKey({ bytes, hash }: ContentPrefix): string {
  return `${bytes}:${hash}`;
}

function setIn<K, V>(sets: Map<K, Set<V>>, key: K): Set<V> {
  let set = sets.get(key);
  if (set === undefined) {
    set = new Set();
    sets.set(key, set);
  }
  return set;
}
