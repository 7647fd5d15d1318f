/**
 * The objects of one source, found by listing its places, in the order of their keys: the order in which an embedded run
 * reads files. Notifications only say where to look besides: at keys before those that the listing is planned to.
 *
 * A source is read anew by each invocation. What was taken and not planned is taken again after {@link ObjectSource.restart}.
 */

import { InputError } from '../errors.ts';
import { InputCursor } from '../plan/input-cursor.ts';
import type { Piece } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import { type PlannedObject, pieceWithoutRows } from '../plan/planner-log.ts';
import type { SegmentBuilder } from '../plan/segment-builder.ts';
import type { ListedInput } from '../source/s3-listing.ts';
import { s3Path } from '../source/s3-object.ts';
import { compareUtf8 } from '../util/utf8-order.ts';
import { isFinal } from './final-error.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { type InputObjects, isPlaceholder } from './input-objects.ts';
import type { InputPlace } from './settings.ts';
import type { Unreadable } from './unreadable.ts';

/** Where to look in one place. */
export interface PlaceHints {
  readonly place: InputPlace;
  /** Announced keys, with the etag that was announced last. */
  readonly keys: ReadonlyMap<string, string | undefined>;
  /** List from here at the latest; `undefined`: from where the listing is planned to. */
  readonly after: string | undefined;
}

export interface ObjectSourceOptions {
  readonly env: FunctionEnvironment;
  readonly planner: Planner;
  readonly objects: InputObjects;
  /** Index of the source in the job. */
  readonly index: number;
  readonly hints: readonly PlaceHints[];
  /** Objects that cannot be read, for now. */
  readonly unreadable: Unreadable;
  readonly signal: AbortSignal;
}

/** An object that is not planned to its end. */
interface Found {
  readonly object: ListedInput;
  readonly planned: PlannedObject | undefined;
}

export class ObjectSource {
  readonly index: number;
  readonly #options: ObjectSourceOptions;
  readonly #name: string;
  #walk: AsyncGenerator<Found, void, undefined>;
  #found: Found | undefined;
  #cursor: InputCursor | undefined;
  /** When the opening of the present object began, by the monotonic clock. */
  #openingMs: number | undefined;
  #passed = new Map<string, string>();
  /** Names seen so far. Places may overlap. */
  readonly #seen = new Set<string>();
  #notes: Piece[] = [];

  constructor(options: ObjectSourceOptions) {
    this.#options = options;
    this.index = options.index;
    this.#name = options.env.job.sources[options.index]!.name;
    this.#walk = this.#unplanned();
  }

  /** The name of the object that was read last. */
  get reading(): string | undefined {
    return this.#found === undefined ? undefined : nameOf(this.#found.object);
  }

  /**
   * By place: the key up to which the listing is planned, once all that was taken is. ⚑ listed-when-planned: an object that is
   * known and not read to its end is behind it.
   */
  get listed(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#passed);
  }

  /** Whether rows can be taken now. */
  get hasRows(): boolean {
    return this.#cursor !== undefined;
  }

  /** How long the present object has been opening, ms: it has given no new row so far. */
  get openingMs(): number {
    return this.#openingMs === undefined ? 0 : this.#options.env.clock.monotonic() - this.#openingMs;
  }

  /** The object that was read last takes longer than an invocation has. @returns why, for people */
  giveUp(): InputError {
    const { object, planned } = this.#found!;
    const error = tooSlowError(nameOf(object), planned?.next ?? 0);
    this.#options.unreadable.add(nameOf(object), error);
    return error;
  }

  /** An object that cannot be opened is passed over. @throws {InputError} there is no listing, or S3 does not answer */
  async state(): Promise<'rows' | 'ended'> {
    while (this.#cursor === undefined) {
      const next = await this.#walk.next();
      if (next.done) {
        this.#found = undefined;
        return 'ended';
      }
      this.#found = next.value;
      this.#openingMs = this.#options.env.clock.monotonic();
      const cursor = await this.#open(next.value).catch((error: unknown) => {
        if (!isFinal(error)) throw error;
        this.#options.unreadable.add(nameOf(next.value.object), error);
      });
      this.#openingMs = undefined;
      if (cursor === undefined) continue;
      if (!cursor.ended) this.#cursor = cursor;
      else {
        await cursor.close();
        this.#noteEnd(next.value);
      }
    }
    return 'rows';
  }

  /** Takes up to `max` rows. Only after {@link state} said so. @throws {InputError} @throws {UserFunctionError} */
  async take(builder: SegmentBuilder, max: number): Promise<{ readonly piece: Piece; readonly bytes: number }> {
    const cursor = this.#cursor!;
    const taken = await cursor.take(builder, max);
    if (cursor.ended) {
      await cursor.close();
      this.#cursor = undefined;
    }
    return taken;
  }

  /** Pieces without rows that belong before those that are taken next. */
  takeNotes(): readonly Piece[] {
    return this.#notes.splice(0);
  }

  /** Goes back to what is planned. */
  async restart(): Promise<void> {
    await this.close();
    this.#openingMs = undefined;
    this.#found = undefined;
    this.#notes = [];
    this.#passed = new Map();
    this.#seen.clear();
    this.#walk = this.#unplanned();
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
    this.#cursor = undefined;
    await this.#walk.return();
  }

  async *#unplanned(): AsyncGenerator<Found, void, undefined> {
    for (const { place, keys, after } of this.#options.hints) {
      const cursor = this.#options.planner.progress?.listed?.[placeUrl(place)] ?? '';
      // Announced keys after this point come with the listing, and need no request of their own.
      const from = after !== undefined && compareUtf8(after, cursor) < 0 ? after : cursor;
      const before = [...keys.keys()].filter((key) => compareUtf8(key, from) <= 0).sort(compareUtf8);
      for (const key of before) yield* this.#announced(place, key, keys.get(key));
      for await (const page of this.#options.objects.list(place.bucket, place.prefix, from)) {
        for (const object of page) {
          const found = await this.#find(object);
          if (found !== undefined) yield found;
          if (compareUtf8(object.key, cursor) > 0) this.#passed.set(placeUrl(place), object.key);
        }
      }
    }
  }

  /** An announced object before the planned part of the listing. If it is gone, there is nothing to read. */
  async *#announced(place: InputPlace, key: string, etag: string | undefined): AsyncGenerator<Found, void, undefined> {
    const planned = await this.#options.planner.planned(this.#name, s3Path(place.bucket, key));
    if (planned?.done && (etag === undefined || planned.version === etag)) return;
    for await (const [object] of this.#options.objects.list(place.bucket, key)) {
      if (object?.key !== key) return;
      const found = await this.#find(object);
      if (found !== undefined) yield found;
      return;
    }
  }

  /** @returns `undefined`: nothing more is to be read of it */
  async #find(object: ListedInput): Promise<Found | undefined> {
    const { planner, unreadable, env } = this.#options;
    const name = nameOf(object);
    if (isPlaceholder(object) || unreadable.has(name) || this.#seen.has(name)) return undefined;
    this.#seen.add(name);
    const planned =
      (await planner.planned(this.#name, name)) ?? (await planner.planned(this.#name, namedBefore(object)));
    const overwritten = planned !== undefined && isOverwritten(planned, object);
    if (overwritten && env.settings.overwritten === 'read') return { object, planned: undefined };
    if (planned?.done) {
      if (overwritten) unreadable.tellOverwritten(name);
      return undefined;
    }
    return { object, planned };
  }

  async #open({ object, planned }: Found): Promise<InputCursor> {
    const { env, objects, signal } = this.#options;
    const name = nameOf(object);
    if (planned !== undefined && isOverwritten(planned, object)) throw changedError(name, planned);
    const { form } = env.job.sources[this.index]!;
    const options = {
      source: this.index,
      sourceName: this.#name,
      name,
      version: object.etag,
      from: planned,
      form,
      signal,
    };
    return InputCursor.open(objects.open(object), options);
  }

  /** Notes that an object has no rows beyond those that are planned. */
  #noteEnd({ object, planned }: Found): void {
    const { next = 0, position } = planned ?? {};
    const ended = { version: object.etag, next, position, done: true };
    this.#notes.push(pieceWithoutRows(this.#name, nameOf(object), ended));
  }
}

/** How a place is named in plans. */
export function placeUrl({ bucket, prefix }: InputPlace): string {
  return s3Path(bucket, prefix);
}

/** An object's identity. */
export function nameOf({ bucket, key }: ListedInput): string {
  return s3Path(bucket, key);
}

/** Its name in plans of version 0.1, which took an object in another version for another object. */
export function namedBefore(object: ListedInput): string {
  return `${nameOf(object)}@${object.etag}`;
}

/** Notes of names, which say how far, have no version. */
export function isOverwritten({ version }: PlannedObject, { etag }: ListedInput): boolean {
  return version !== '' && version !== etag;
}

function changedError(name: string, planned: PlannedObject): InputError {
  return new InputError(
    'INPUT_CHANGED',
    `${name} was overwritten after ${planned.next} of its rows were planned. Input objects must stay as they are: put it back as it was, or bring what is new under a new key (or deploy with \`overwritten: 'read'\`, to read all of it as new rows).`,
    name,
  );
}

function tooSlowError(name: string, rows: number): InputError {
  const what = rows === 0 ? 'its first row' : `the ${rows} rows that are planned`;
  return new InputError(
    'INPUT_TOO_SLOW',
    `${name} cannot be read: one invocation has not the time to come to ${rows === 0 ? what : `what follows ${what}`}. Split it into smaller objects, which need not be read from the beginning each time, or raise \`timeout\`.`,
    name,
  );
}
