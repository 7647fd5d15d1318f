/**
 * Which ids belong to which time: a number for each time that is there, and its ids as a chain through two arrays. So a scan, or the
 * end of a time, costs what is there, however many times there are.
 */
import { grown } from '../util/arrays.ts';
import { SortedTimes } from './sorted-times.ts';

const NONE = -1;
const FIRST_CAPACITY = 16;

export class TimeGroups {
  readonly #groups = new Map<number, number>();
  readonly #sorted = new SortedTimes(this.#groups);
  /** By group. */
  readonly #times: number[] = [];
  readonly #firsts: number[] = [];
  readonly #sizes: number[] = [];
  readonly #free: number[] = [];
  /** By id. */
  #next = new Int32Array(FIRST_CAPACITY);
  #previous = new Int32Array(FIRST_CAPACITY);
  /** What was looked for last: mostly it is looked for again. */
  #lastTime = Number.NaN;
  #lastGroup = NONE;

  /** The time's group. @returns −1: there is none */
  find(time: number): number {
    if (time === this.#lastTime) return this.#lastGroup;
    const group = this.#groups.get(time);
    if (group === undefined) return NONE;
    this.#lastTime = time;
    this.#lastGroup = group;
    return group;
  }

  /** The time's group, a new one where there is none: it gets an id next. */
  intern(time: number): number {
    const known = this.find(time);
    if (known !== NONE) return known;
    const group = this.#free.pop() ?? this.#times.length;
    this.#groups.set(time, group);
    this.#times[group] = time;
    this.#firsts[group] = NONE;
    this.#sizes[group] = 0;
    this.#sorted.added(time);
    return group;
  }

  time(group: number): number {
    return this.#times[group]!;
  }

  /** Number of ids of a group. */
  size(group: number): number {
    return this.#sizes[group]!;
  }

  add(group: number, id: number): void {
    if (id >= this.#next.length) {
      const capacity = Math.max(id + 1, this.#next.length * 2);
      this.#next = grown(this.#next, new Int32Array(capacity));
      this.#previous = grown(this.#previous, new Int32Array(capacity));
    }
    const first = this.#firsts[group]!;
    this.#next[id] = first;
    this.#previous[id] = NONE;
    if (first !== NONE) this.#previous[first] = id;
    this.#firsts[group] = id;
    this.#sizes[group]!++;
  }

  /** A group without ids is none. */
  remove(group: number, id: number): void {
    const next = this.#next[id]!;
    const previous = this.#previous[id]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#firsts[group] = next;
    if (--this.#sizes[group]! > 0) return;
    const time = this.#times[group]!;
    this.#groups.delete(time);
    this.#free.push(group);
    this.#sorted.removed(time);
    this.#lastTime = Number.NaN;
  }

  /** Groups of times in (after, upTo], ascending. */
  within(after: number, upTo: number): number[] {
    return this.#sorted.within(after, upTo).map((time) => this.#groups.get(time)!);
  }

  /** Writes the ids of a group to `to`, from `at`. @returns where they end */
  copyIds(group: number, to: Int32Array, at: number): number {
    for (let id = this.#firsts[group]!; id !== NONE; id = this.#next[id]!) to[at++] = id;
    return at;
  }
}
