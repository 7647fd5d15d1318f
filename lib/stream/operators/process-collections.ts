/**
 * `mapState()` and `listState()`: what stands for them in the state that `init` gives, and what functions get in their place. Entries lie in an
 * ordered table, by field and then by key part or running number, so that they are read one by one, or in order a chunk at a time, and
 * written without being read.
 *
 * Invariant: the table is as the batch found it until all functions have run. What they change is kept beside it, so that a call that fails can be
 * undone, and what a call reads does not depend on calls for other keys that wait meanwhile.
 */
import { JobError } from '../../errors.ts';
import { type Chunks, isAtOnce } from '../../util/chunks.ts';
import { copyChecked, copyPlain } from '../../util/copy-plain.ts';
import type { OrderedEntry, OrderedTable } from '../graph/tables.ts';
import { decodeKey, encodeKey, type KeyPart } from './key.ts';

export type CollectionKind = 'map' | 'list';

/** What tells placeholders and handles from other values; the same for all copies of the package that a program may have loaded. */
const KIND: unique symbol = Symbol.for('misa.collection') as never;

/** A value in an array of its own, so that it may be anything. */
type Row = readonly [value: unknown];

const GONE = Symbol('gone');

export function kindOf(value: unknown): CollectionKind | undefined {
  return (value as { readonly [KIND]?: CollectionKind } | null | undefined)?.[KIND];
}

/** What `mapState()` and `listState()` give. */
export function placeholder(kind: CollectionKind): object {
  const refuse = (): never => {
    throw new JobError(
      'NO_STATE_YET',
      `${kind}State() is empty where init makes it: change and read it as a field of ctx.state, in onRow and onTimer`,
    );
  };
  const methods = { get: refuse, set: refuse, delete: refuse, push: refuse, clear: refuse };
  return Object.freeze({ [KIND]: kind, ...methods, [Symbol.asyncIterator]: refuse });
}

/** Whose collection it is, as far as it must know. */
export interface Owner {
  /** Encoded. */
  readonly key: string;
  /** What takes back what the present call has done. @throws {JobError} no function of this key is running */
  readonly undo: (() => void)[];
  /** @throws {JobError} no function of this key is running */
  assertRunning(): void;
  /** A read failed, which is no fault of the function that asked for it, whatever it makes of it. */
  trouble: unknown;
}

/** One collection of one key in a batch. */
export class Collection {
  readonly kind: CollectionKind;
  readonly handle: object;
  /** The next running number of a list. */
  next: number;
  /** Whether the state has it. */
  present = true;
  #cleared: boolean;
  #changes = new Map<string, Row | typeof GONE>();
  readonly #field: string;
  readonly #owner: Owner;
  readonly #table: OrderedTable<Row>;

  /** @param isNew what the table has of this field is not its */
  constructor(
    kind: CollectionKind,
    field: string,
    next: number,
    isNew: boolean,
    owner: Owner,
    table: OrderedTable<Row>,
  ) {
    this.kind = kind;
    this.next = next;
    this.#cleared = isNew;
    this.#field = field;
    this.#owner = owner;
    this.#table = table;
    this.handle = kind === 'map' ? new MapHandle(this) : new ListHandle(this);
  }

  async get(part: KeyPart): Promise<unknown> {
    const position = this.#positionOf(part);
    this.#owner.assertRunning();
    const changed = this.#changes.get(position);
    if (changed !== undefined) return changed === GONE ? undefined : copyPlain(changed[0]);
    if (this.#cleared) return undefined;
    const { key } = this.#owner;
    await this.#asked(() => this.#table.load([key], [position]));
    return copyPlain(this.#table.get(key, position)?.[0]);
  }

  put(part: KeyPart, value: unknown): void {
    this.#change(this.#positionOf(part), [copyChecked(value)]);
  }

  delete(part: KeyPart): void {
    this.#change(this.#positionOf(part), GONE);
  }

  push(value: unknown): void {
    this.put(this.next, value);
    this.#owner.undo.push(() => this.next--);
    this.next++;
  }

  clear(): void {
    const [changes, cleared, next] = [this.#changes, this.#cleared, this.next];
    this.#owner.undo.push(() => {
      this.#changes = changes;
      this.#cleared = cleared;
      this.next = next;
    });
    this.#changes = new Map();
    this.#cleared = true;
    this.next = 0;
  }

  /** What is there when it is called, in order, a chunk at a time. */
  entries(): AsyncGenerator<[KeyPart, unknown], void, undefined> {
    this.#owner.assertRunning();
    const { key } = this.#owner;
    const changes = [...this.#changes];
    if (this.kind === 'map') changes.sort(([a], [b]) => (a < b ? -1 : 1));
    const [from, to] = this.#range;
    return this.#merged(this.#cleared ? [] : this.#table.range(key, from, to), changes);
  }

  /** Writes what functions have changed. */
  apply(): Promise<void> | undefined {
    const { key } = this.#owner;
    const write = (): undefined => {
      for (const [position, row] of this.#changes) {
        if (row === GONE) this.#table.delete(key, position);
        else this.#table.put(key, position, row);
      }
    };
    const [from, to] = this.#range;
    const cleared = this.#cleared ? this.#table.deleteRange(key, from, to) : undefined;
    return cleared === undefined ? write() : cleared.then(write);
  }

  async #asked<T>(read: () => T): Promise<Awaited<T>> {
    try {
      return await read();
    } catch (error) {
      this.#owner.trouble ??= error;
      throw error;
    }
  }

  /** As `for await` over chunks would. */
  async *#chunks(chunks: Chunks<OrderedEntry<Row>>): AsyncGenerator<readonly OrderedEntry<Row>[], void, undefined> {
    if (isAtOnce(chunks)) {
      yield* chunks;
      return;
    }
    const left = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#asked(() => left.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await left.return?.();
    }
  }

  async *#merged(
    stored: Chunks<OrderedEntry<Row>>,
    changes: readonly [position: string, row: Row | typeof GONE][],
  ): AsyncGenerator<[KeyPart, unknown], void, undefined> {
    let i = 0;
    const shown = (position: string, row: Row): [KeyPart, unknown] => {
      this.#owner.assertRunning();
      return [(decodeKey(position) as [string, KeyPart])[1], copyPlain(row[0])];
    };
    for await (const chunk of this.#chunks(stored)) {
      for (const { position, row } of chunk) {
        for (; i < changes.length && changes[i]![0] < position; i++) {
          const [at, changed] = changes[i]!;
          if (changed !== GONE) yield shown(at, changed);
        }
        if (changes[i]?.[0] !== position) yield shown(position, row);
      }
    }
    for (; i < changes.length; i++) {
      const [at, changed] = changes[i]!;
      if (changed !== GONE) yield shown(at, changed);
    }
  }

  #change(position: string, row: Row | typeof GONE): void {
    const changes = this.#changes;
    const before = changes.get(position);
    this.#owner.undo.push(() => {
      if (before === undefined) changes.delete(position);
      else changes.set(position, before);
    });
    changes.set(position, row);
  }

  #positionOf(part: KeyPart): string {
    return encodeKey([this.#field, part]);
  }

  /** Positions of this field: an array's encoding ends with its parts. */
  get #range(): readonly [from: string, to: string] {
    const prefix = encodeKey([this.#field]).slice(0, -1);
    return [prefix, `${prefix}\xff`];
  }
}

class MapHandle {
  readonly [KIND] = 'map';
  readonly #entries: Collection;

  constructor(entries: Collection) {
    this.#entries = entries;
  }

  get(key: KeyPart): Promise<unknown> {
    return this.#entries.get(key);
  }

  set(key: KeyPart, value: unknown): void {
    this.#entries.put(key, value);
  }

  delete(key: KeyPart): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  [Symbol.asyncIterator](): AsyncIterator<[KeyPart, unknown]> {
    return this.#entries.entries();
  }
}

class ListHandle {
  readonly [KIND] = 'list';
  readonly #entries: Collection;

  constructor(entries: Collection) {
    this.#entries = entries;
  }

  push(...values: unknown[]): void {
    for (const value of values) this.#entries.push(value);
  }

  clear(): void {
    this.#entries.clear();
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return valuesOf(this.#entries.entries());
  }
}

async function* valuesOf(entries: AsyncIterable<[KeyPart, unknown]>): AsyncGenerator<unknown, void, undefined> {
  for await (const [, value] of entries) yield value;
}
