/**
 * Finds input that no notification announced, or that ingest left: reads the listings of the input places, a bounded number of
 * pages each time, and compares them with what is planned. Where something waits and nothing is being planned, ingest is told
 * to look: one message a place, with growing pauses while nothing moves.
 *
 * What is planned of objects that are no longer there is forgotten, so that the planner's state is as large as what is kept.
 */
import type { Piece } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import { objectKey, type PlannedObject } from '../plan/planner-log.ts';
import type { ListedInput } from '../source/s3-listing.ts';
import { s3Path } from '../source/s3-object.ts';
import type { Clock } from '../util/clock.ts';
import { compareUtf8 } from '../util/utf8-order.ts';
import { encodeLook } from './deliveries.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { type InputObjects, isPlaceholder } from './input-objects.ts';
import { type InputNotes, isDue, type MaintainNotes, type Stuck, sentAgain, stuckAt } from './maintain-notes.ts';
import { isOverwritten, namedBefore, nameOf, placeUrl } from './object-source.ts';
import type { InputPlace } from './settings.ts';

/** Most pages of a listing in one run; the next run goes on there. */
const PAGES = 20;
const PAGES_MEANWHILE = 1;
/** How long an object has to be planned by its notification, ms. */
const FRESH_MS = 60_000;
/** A plan forgets so many objects, unless fewer are all that a whole listing shows to be gone. */
const FORGET_AT_ONCE = 5000;

/** Names with an etag, from versions before 0.2: they do not name present objects. */
const NAMED_BEFORE = /@[0-9a-f]{32}(?:-\d+)?$/;
/** Sorts after every key. */
const LAST = '\u{10ffff}';
/** In place of the last plan, where something waits that reading on does not come to: plans change nothing about it. */
const PASSED = 0;

/** One run over the listing of a place. */
interface Look {
  /** Treats all objects as old enough. */
  readonly force: boolean;
  /** Plans are made: somebody reads on from where the listing is planned to, and only what lies before that waits. */
  readonly meanwhile: boolean;
  /** Keys up to this one are looked through. */
  after: string;
  /** The key before the first object that waits; `undefined`: none was seen. */
  waitsAfter: string | undefined;
}

export type InputsNoted = MaintainNotes['inputs'];

export class LookForInput {
  readonly #env: FunctionEnvironment;
  readonly #planner: Planner;
  readonly #objects: InputObjects;
  readonly #clock: Clock;
  /** Objects that are gone, with the version that is planned of them. */
  readonly #gone = new Map<string, { readonly source: string; readonly name: string; readonly version: string }>();

  constructor(env: FunctionEnvironment, planner: Planner, objects: InputObjects) {
    this.#env = env;
    this.#planner = planner;
    this.#objects = objects;
    this.#clock = env.clock;
  }

  /**
   * @param noted what the run before knew
   * @param force objects are taken as old, and plans as made long ago
   * @param goOn whether there is time for another page
   */
  async run(noted: InputsNoted, force: boolean, goOn: () => boolean): Promise<InputsNoted> {
    const now: Record<string, InputNotes> = {};
    for (const place of this.#env.settings.inputs) {
      const url = placeUrl(place);
      now[url] = await this.#look(place, noted[url] ?? { after: '' }, force, goOn);
    }
    return now;
  }

  /** Notes of objects that are gone, for the next plan: then they are forgotten. */
  async takeGone(): Promise<readonly Piece[]> {
    const pieces: Piece[] = [];
    for (const [key, { source, name, version }] of this.#gone) {
      this.#gone.delete(key);
      // The object may have come back meanwhile, and been read.
      if ((await this.#planner.planned(source, name))?.version !== version) continue;
      pieces.push({ source, name, version, from: 0, to: 0, done: false, gone: true });
      if (pieces.length === FORGET_AT_ONCE) break;
    }
    return pieces;
  }

  /** Whether enough is gone for a plan of its own. */
  get forgets(): boolean {
    return this.#gone.size >= FORGET_AT_ONCE;
  }

  async #look(place: InputPlace, noted: InputNotes, force: boolean, goOn: () => boolean): Promise<InputNotes> {
    const quietMs = this.#clock.now() - (this.#planner.progress?.processingTime ?? 0);
    const meanwhile = !force && quietMs < FRESH_MS;
    const look: Look = { force, meanwhile, after: noted.after, waitsAfter: undefined };
    let left = meanwhile ? PAGES_MEANWHILE : PAGES;
    let ended = true;
    for await (const page of this.#objects.list(place.bucket, place.prefix, look.after)) {
      await this.#compare(place, page, look);
      // An empty page is the last.
      if (page.length === 0 || (--left > 0 && goOn())) continue;
      ended = false;
      break;
    }
    const waits = noted.waits === true || look.waitsAfter !== undefined;
    const stuck = look.waitsAfter === undefined ? noted.stuck : await this.#tell(place, look.waitsAfter, noted.stuck);
    if (!ended) return { after: look.after, stuck, ...(waits && { waits }) };
    await this.#findGone(place, look.after, undefined, new Set());
    return { after: '', stuck: waits ? stuck : undefined };
  }

  /** Notes of a page what waits, and what was overwritten or is gone. */
  async #compare(place: InputPlace, page: readonly ListedInput[], look: Look): Promise<void> {
    const last = page.at(-1);
    if (last === undefined) return;
    const planned = await this.#findGone(place, look.after, last.key, new Set(page.map(nameOf)));
    for (const object of page) {
      const before = look.after;
      look.after = object.key;
      if (isPlaceholder(object)) continue;
      const known = planned.get(nameOf(object));
      const overwritten = known !== undefined && isOverwritten(known, object);
      if (overwritten) this.#env.report.metric('Overwritten', 1);
      if (known?.done && !(overwritten && this.#env.settings.overwritten === 'read')) continue;
      if (look.waitsAfter !== undefined) continue;
      if (look.meanwhile && !this.#isPassed(place, before)) continue;
      if (!look.force && this.#clock.now() - object.modifiedMs < FRESH_MS) continue;
      if ((await this.#planner.planned(place.source, namedBefore(object)))?.done) continue;
      look.waitsAfter = before;
    }
    look.after = last.key;
  }

  /** Of names behind `after` up to `last` those that are planned; those that are not there are noted. */
  async #findGone(
    place: InputPlace,
    after: string,
    last: string | undefined,
    there: ReadonlySet<string>,
  ): Promise<Map<string, PlannedObject>> {
    const { source } = place;
    const first = after === '' ? placeUrl(place) : `${s3Path(place.bucket, after)}\0`;
    const end = last === undefined ? `${placeUrl(place)}${LAST}` : s3Path(place.bucket, last);
    const planned = await this.#planner.plannedObjects(source, first, end);
    for (const [name, { version }] of planned) {
      if (!there.has(name) && !NAMED_BEFORE.test(name))
        this.#gone.set(objectKey(source, name), { source, name, version });
    }
    return planned;
  }

  /** Whether the listing is planned beyond what follows this key. */
  #isPassed(place: InputPlace, after: string): boolean {
    return compareUtf8(after, this.#planner.progress?.listed?.[placeUrl(place)] ?? '') < 0;
  }

  /** Less and less often while nothing moves (⚑ sweep-backoff). */
  async #tell(place: InputPlace, after: string, known: Stuck | undefined): Promise<Stuck> {
    const { queue, settings, report } = this.#env;
    const nowMs = this.#clock.now();
    // While planning is halted no message is sent; the first look after `misa resume` sends one.
    if (this.#planner.halted !== null) return stuckAt(undefined, this.#planner.position, nowMs);
    const stuck = stuckAt(known, this.#isPassed(place, after) ? PASSED : this.#planner.position, nowMs);
    if (!isDue(stuck, nowMs, 0)) return stuck;
    await queue(settings.inputQueue).send([{ body: encodeLook(place, after) }]);
    report.metric('InputFound', 1);
    report.info('input waits that is not planned: it is looked for', { place: placeUrl(place), after });
    return sentAgain(stuck, nowMs);
  }
}
