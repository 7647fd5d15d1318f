/**
 * Which part of which SST lies in which slot of the block cache, and which slot leaves when room is needed: the first that
 * was not read since the hand of the clock last came by (second chance, after Corbató's CLOCK). All of it is typed arrays, some
 * 13 bytes a slot, and a hit writes one byte. Nothing here knows of files.
 */

/** How much a part's being here is worth: it was looked into for rows, or a scan reads it, or may. */
export type Worth = 'read' | 'preloaded';

/** Marks of a slot. */
const TAKEN = 1;
const READ = 2;
const UNCHECKED = 4;

const FIRST_SLOTS = 1024;

export class CacheSlots {
  #sst = new Uint32Array(FIRST_SLOTS);
  #part = new Uint32Array(FIRST_SLOTS);
  #pages = new Uint32Array(FIRST_SLOTS);
  #marks = new Uint8Array(FIRST_SLOTS);
  readonly #free: number[] = [];
  #count = 0;
  #hand = 0;
  #pagesTaken = 0;

  /** Pages of all slots that are taken. */
  get pagesTaken(): number {
    return this.#pagesTaken;
  }

  /** A free slot, taken for a part of an SST. */
  take(sst: number, part: number, pages: number): number {
    const slot = this.#free.pop() ?? this.#count;
    this.#occupy(slot, sst, part, pages, TAKEN);
    return slot;
  }

  /** Takes that slot for what was found there when the cache was opened; slots before it that nobody takes are free. */
  restore(slot: number, sst: number, part: number, pages: number): void {
    while (this.#count < slot) this.#free.push(this.#count++);
    this.#occupy(slot, sst, part, pages, TAKEN | UNCHECKED);
  }

  release(slot: number): void {
    this.#pagesTaken -= this.#pages[slot]!;
    this.#marks[slot] = 0;
    this.#free.push(slot);
  }

  isTaken(slot: number): boolean {
    return slot < this.#count && (this.#marks[slot]! & TAKEN) !== 0;
  }

  sstOf(slot: number): number {
    return this.#sst[slot]!;
  }

  partOf(slot: number): number {
    return this.#part[slot]!;
  }

  /** Marks it as read, and so as checked. */
  touch(slot: number): void {
    this.#marks[slot] = TAKEN | READ;
  }

  /** Nobody has compared its checksum since the cache was opened. */
  isUnchecked(slot: number): boolean {
    return (this.#marks[slot]! & UNCHECKED) !== 0;
  }

  /** The slot that leaves for something of that worth, -1 if none does. What is only preloaded takes no part's second chance. */
  leaving(worth: Worth): number {
    const rounds = worth === 'read' ? 2 : 1;
    for (let left = rounds * this.#count; left > 0; left--) {
      const slot = this.#hand;
      this.#hand = slot + 1 < this.#count ? slot + 1 : 0;
      const marks = this.#marks[slot]!;
      if ((marks & TAKEN) === 0) continue;
      if ((marks & READ) === 0) return slot;
      if (worth === 'read') this.#marks[slot] = marks & ~READ;
    }
    return -1;
  }

  #occupy(slot: number, sst: number, part: number, pages: number, marks: number): void {
    if (slot >= this.#marks.length) this.#grow(slot + 1);
    if (slot >= this.#count) this.#count = slot + 1;
    this.#sst[slot] = sst;
    this.#part[slot] = part;
    this.#pages[slot] = pages;
    this.#marks[slot] = marks;
    this.#pagesTaken += pages;
  }

  #grow(least: number): void {
    const length = Math.max(least, Math.ceil(this.#marks.length * 1.5));
    this.#sst = grow32(this.#sst, length);
    this.#part = grow32(this.#part, length);
    this.#pages = grow32(this.#pages, length);
    const marks = new Uint8Array(length);
    marks.set(this.#marks);
    this.#marks = marks;
  }
}

function grow32(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(length);
  grown.set(array);
  return grown;
}
