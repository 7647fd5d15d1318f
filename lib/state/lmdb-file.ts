/**
 * Looks through a file of LMDB by ordinary reads, before it is mapped: meta pages, every page of its trees, its list of free pages, and
 * where each value lies. LMDB believes what it reads there; in a file that is cut short, torn or damaged it would follow it out of the
 * map, which ends the process by a signal. What is inside values is not looked at: whoever put them there has a checksum in them.
 *
 * The layout is that of the LMDB in the `lmdb` package (data version 2: 24 bytes at the head of a page, free pages as runs). In a file of
 * another one nothing fits, and it is refused; a test says so when an update of the package changes it.
 */
import { fstatSync, readSync } from 'node:fs';

export const PAGE_BYTES = 4096;
/** At the head of each page, and of each value that has pages of its own. */
export const PAGE_HEAD_BYTES = 24;

const META_PAGES = 2;
const MAGIC = 0xbeef_c0de;
const DATA_VERSION = 2;
const META_FLAG = 8;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
/** A node's: its value has pages of its own. */
const BIG = 1;
const NODE_HEAD_BYTES = 8;
/** In a node with a big value: first page, transaction, number of pages. */
const BIG_BYTES = 24;
const MAX_DEPTH = 32;
/** Of a tree: its keys are numbers. */
const INTEGER_KEYS = 8;
/** Those of the tree of free pages, with what LMDB notes of the whole file. */
const FREE_FLAGS = { at: 52, value: 0x4008 } as const;

/** So many words of 32 bits of each value are given. */
export const HEAD_WORDS = 4;
/** What is read of each page at first: its head, and that of the value behind it. */
const WORDS = PAGE_HEAD_BYTES / 4 + HEAD_WORDS;
/** A multiple of the page. Reading all of a file in order takes less time than the beginning of each page. */
const CHUNK_BYTES = 1 << 20;

/** Values in order of their keys. */
export interface FoundValues {
  readonly keys: number[];
  readonly lengths: number[];
  /** Where each begins in the file. */
  readonly offsets: number[];
  /** The first {@link HEAD_WORDS} of each, one behind the other; of one that is shorter they mean nothing. */
  readonly heads: Uint32Array;
}

/** One of the two trees: that of the values, and that of the free pages by the transaction that freed them. */
interface Tree {
  readonly keyBytes: 4 | 8;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number;
}

interface Meta {
  readonly transaction: number;
  readonly pages: number;
  readonly free: Tree;
  readonly values: Tree;
}

class Damage extends Error {}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Damage(what);
}

/** The values in that file, whose keys are numbers of 32 bits; `undefined`: it must not be mapped. */
export function findValues(file: number): FoundValues | undefined {
  try {
    const walk = new Walk(file, newestMeta(file));
    return walk.all();
  } catch (error) {
    if (error instanceof Damage || error instanceof RangeError) return undefined;
    throw error;
  }
}

function newestMeta(file: number): Meta {
  const metas = [0, 1].map((page) => readMeta(readPage(file, page), page));
  const [a, b] = metas as [Meta, Meta];
  // Transactions write them by turns.
  demand(Math.abs(a.transaction - b.transaction) <= 1, 'its meta pages are of different times');
  const newest = a.transaction >= b.transaction ? a : b;
  demand(newest.transaction === 0 || newest === metas[newest.transaction % META_PAGES], 'its meta pages are exchanged');
  demand(fstatSync(file).size >= newest.pages * PAGE_BYTES, 'it is cut short');
  return newest;
}

function readMeta(page: Buffer, number: number): Meta {
  demand(u64(page, 0) === number && page.readUInt16LE(18) === META_FLAG, 'a meta page is none');
  demand(page.readUInt32LE(24) === MAGIC && page.readUInt32LE(28) === DATA_VERSION, 'it is not of this LMDB');
  demand(page.readUInt32LE(48) === PAGE_BYTES, 'its pages are of another size');
  const isOurs =
    u64(page, 32) === 0 &&
    page.readUInt16LE(FREE_FLAGS.at) === FREE_FLAGS.value &&
    page.readUInt32LE(96) === 0 &&
    (page.readUInt16LE(100) === INTEGER_KEYS || (page.readUInt16LE(100) === 0 && u64(page, 128) === 0));
  demand(isOurs, 'it is used in another way');
  const tree = (at: number, keyBytes: 4 | 8): Tree => ({
    keyBytes,
    depth: page.readUInt16LE(at + 6),
    branchPages: u64(page, at + 8),
    leafPages: u64(page, at + 16),
    overflowPages: u64(page, at + 24),
    entries: u64(page, at + 32),
    root: u64(page, at + 40),
  });
  return { free: tree(48, 8), values: tree(96, 4), pages: u64(page, 144) + 1, transaction: u64(page, 152) };
}

class Walk {
  readonly #file: number;
  readonly #meta: Meta;
  /** Pages that something refers to: nothing else may. */
  readonly #used: Uint8Array;
  /** The first {@link WORDS} of each page. */
  readonly #heads: Uint32Array;
  #counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };

  constructor(file: number, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
    this.#used = new Uint8Array(meta.pages);
    this.#used.fill(1, 0, META_PAGES);
    this.#heads = readHeads(file, meta.pages);
  }

  all(): FoundValues {
    const { values, free } = this.#meta;
    demand(values.entries <= this.#meta.pages * PAGE_BYTES, 'it has more values than room');
    const found: FoundValues = {
      keys: [],
      lengths: [],
      offsets: [],
      heads: new Uint32Array(values.entries * HEAD_WORDS),
    };
    this.#tree(values, (leaf, at, key) => {
      const { offset, length } = this.#value(leaf, at);
      const i = found.keys.push(key) - 1;
      found.lengths.push(length);
      found.offsets.push(offset);
      this.#copyHead(leaf, offset, found.heads, i * HEAD_WORDS);
    });
    this.#tree(free, (leaf, at) => this.#freePages(this.#value(leaf, at)));
    return found;
  }

  #tree(tree: Tree, visit: Visit): void {
    this.#counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    if (tree.entries > 0) {
      demand(tree.depth > 0 && tree.depth < MAX_DEPTH, 'a tree has an impossible depth');
      this.#page(tree, tree.root, tree.depth, [0, Number.POSITIVE_INFINITY], visit);
    }
    const { branchPages, leafPages, overflowPages, entries } = this.#counts;
    const isComplete =
      branchPages === tree.branchPages &&
      leafPages === tree.leafPages &&
      overflowPages === tree.overflowPages &&
      entries === tree.entries;
    demand(isComplete || (tree.entries === 0 && entries === 0), 'a tree has other pages than it says');
  }

  /** A page of a tree and those below it. @param range of its keys: [least, end) */
  #page(tree: Tree, number: number, depth: number, [least, end]: readonly [number, number], visit: Visit): void {
    const isLeaf = depth === 1;
    this.#use(number, 1);
    const page = readPage(this.#file, number);
    demand(page.readUInt16LE(18) === (isLeaf ? LEAF : BRANCH), 'a page of a tree is of another kind');
    this.#checkHead(u64(page, 0), u64(page, 8), number);
    this.#counts[isLeaf ? 'leafPages' : 'branchPages']++;
    const leaf = { page, number, keyBytes: tree.keyBytes };
    const nodes = nodesOf(page, isLeaf, tree.keyBytes);
    let before = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < nodes.length; i++) {
      const at = nodes[i]!;
      // The first node of a branch page needs no key: all before the second one is below it.
      const key = i === 0 && !isLeaf ? least : keyOf(page, at, tree.keyBytes);
      demand(key >= least && key < end && key > before, 'keys are out of order');
      before = key;
      if (isLeaf) {
        this.#counts.entries++;
        visit(leaf, at, key);
        continue;
      }
      const next = nodes[i + 1];
      const stop = next === undefined ? end : keyOf(page, next, tree.keyBytes);
      this.#page(tree, childOf(page, at), depth - 1, [key, stop], visit);
    }
  }

  /** Where the value of a node of a leaf lies. */
  #value({ page, number, keyBytes }: Leaf, at: number): { offset: number; length: number } {
    const length = page.readUInt32LE(at);
    const flags = page.readUInt16LE(at + 4);
    const data = at + NODE_HEAD_BYTES + keyBytes;
    if (flags === 0) {
      demand(data + length <= PAGE_BYTES, 'a value leaves its page');
      return { offset: number * PAGE_BYTES + data, length };
    }
    demand(flags === BIG && data + BIG_BYTES <= PAGE_BYTES, 'a node is of an unknown kind');
    const first = u64(page, data);
    const pages = u64(page, data + 16);
    demand(pages * PAGE_BYTES >= length + PAGE_HEAD_BYTES, 'a value leaves its pages');
    this.#use(first, pages);
    this.#counts.overflowPages += pages;
    const head = first * WORDS;
    const heads = this.#heads;
    this.#checkHead(u64Of(heads[head]!, heads[head + 1]!), u64Of(heads[head + 2]!, heads[head + 3]!), first);
    demand(heads[head + 4]! >>> 16 === OVERFLOW && heads[head + 5] === pages, 'a page of a value is none');
    return { offset: first * PAGE_BYTES + PAGE_HEAD_BYTES, length };
  }

  /** The head of the value at that place of the file. */
  #copyHead({ page, number }: Leaf, offset: number, to: Uint32Array, at: number): void {
    const of = Math.floor(offset / PAGE_BYTES);
    for (let i = 0; i < HEAD_WORDS; i++) {
      const inPage = offset - number * PAGE_BYTES + 4 * i;
      if (of !== number) to[at + i] = this.#heads[of * WORDS + PAGE_HEAD_BYTES / 4 + i]!;
      else to[at + i] = inPage + 4 <= PAGE_BYTES ? page.readUInt32LE(inPage) : 0;
    }
  }

  /** A list of free pages: how many numbers follow, then a page each, or minus the length of a run and its first page; 0: nothing. */
  #freePages({ offset, length }: { offset: number; length: number }): void {
    const list = readAt(this.#file, offset, length);
    const count = u64(list, 0);
    demand(count * 8 + 8 <= length, 'a list of free pages is cut short');
    for (let i = 1; i <= count; i++) {
      const entry = Number(list.readBigInt64LE(8 * i));
      if (entry === 0) continue;
      if (entry > 0) this.#use(entry, 1);
      else {
        demand(++i <= count, 'a list of free pages is cut short');
        this.#use(u64(list, 8 * i), -entry);
      }
    }
  }

  #checkHead(number: number, transaction: number, expected: number): void {
    demand(number === expected && transaction <= this.#meta.transaction, 'a page is another one');
  }

  #use(first: number, count: number): void {
    demand(count > 0 && first + count <= this.#meta.pages, 'a page is beyond the end');
    for (let page = first; page < first + count; page++) {
      demand(this.#used[page] === 0, 'a page is used twice');
      this.#used[page] = 1;
    }
  }
}

interface Leaf {
  readonly page: Buffer;
  readonly number: number;
  readonly keyBytes: 4 | 8;
}

/** Is told of each node of a tree's leaves, in order, and where in the page it begins. */
type Visit = (leaf: Leaf, at: number, key: number) => void;

/** By where a node begins in a page: where it ends. */
const ends = new Uint16Array(PAGE_BYTES);

/** Where the nodes of a page begin. They lie one behind the other up to its end, in any order: LMDB moves them by their lengths. */
function nodesOf(page: Buffer, isLeaf: boolean, keyBytes: 4 | 8): number[] {
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  demand(lower > 0 && lower % 2 === 0 && lower <= upper && upper <= PAGE_BYTES - PAGE_HEAD_BYTES, 'a page is torn');
  const nodes: number[] = [];
  ends.fill(0);
  for (let i = 0; i < lower / 2; i++) {
    const place = page.readUInt16LE(PAGE_HEAD_BYTES + 2 * i);
    const at = place + PAGE_HEAD_BYTES;
    demand(place >= upper && at + NODE_HEAD_BYTES <= PAGE_BYTES, 'a node leaves its page');
    const length = page.readUInt16LE(at + 6);
    const isRight = length === keyBytes || (length === 0 && i === 0 && !isLeaf);
    demand(isRight && at + NODE_HEAD_BYTES + length <= PAGE_BYTES, 'a key is of another length');
    ends[at] = Math.min(at + NODE_HEAD_BYTES + length + (isLeaf ? dataBytes(page, at) : 0) + 1, PAGE_BYTES + 1) & ~1;
    nodes.push(at);
  }
  let end = upper + PAGE_HEAD_BYTES;
  let count = 0;
  for (; end < PAGE_BYTES && ends[end]! > end; end = ends[end]!) count++;
  demand(end === PAGE_BYTES && count === nodes.length, 'nodes of a page do not lie side by side');
  return nodes;
}

/** Bytes of the value of a leaf's node in its page. */
function dataBytes(page: Buffer, at: number): number {
  return page.readUInt16LE(at + 4) === 0 ? page.readUInt32LE(at) : BIG_BYTES;
}

function keyOf(page: Buffer, at: number, keyBytes: 4 | 8): number {
  return keyBytes === 4 ? page.readUInt32LE(at + NODE_HEAD_BYTES) : u64(page, at + NODE_HEAD_BYTES);
}

function childOf(page: Buffer, at: number): number {
  return page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
}

function u64(bytes: Buffer, at: number): number {
  return u64Of(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4));
}

function u64Of(low: number, high: number): number {
  return low + high * 2 ** 32;
}

/** The first {@link WORDS} of each page of the file. */
function readHeads(file: number, pages: number): Uint32Array {
  const heads = new Uint32Array(pages * WORDS);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const words = new Uint32Array(chunk.buffer, chunk.byteOffset, CHUNK_BYTES / 4);
  let to = 0;
  for (let page = 0; page < pages; page += CHUNK_BYTES / PAGE_BYTES) {
    const bytes = Math.min(CHUNK_BYTES, (pages - page) * PAGE_BYTES);
    demand(readSync(file, chunk, 0, bytes, page * PAGE_BYTES) === bytes, 'it is cut short');
    for (let from = 0; from < bytes / 4; from += PAGE_BYTES / 4) {
      for (let i = 0; i < WORDS; i++) heads[to++] = words[from + i]!;
    }
  }
  return heads;
}

function readPage(file: number, number: number): Buffer {
  return readAt(file, number * PAGE_BYTES, PAGE_BYTES);
}

function readAt(file: number, offset: number, length: number): Buffer {
  demand(length <= 2 ** 31, 'a value is too long');
  const bytes = Buffer.allocUnsafe(length);
  demand(readSync(file, bytes, 0, length, offset) === length, 'it is cut short');
  return bytes;
}
