/**
 * Finds input that no notification announced, or that ingest left: reads the listings of the input places, a bounded number of
 * pages each time, and compares them with what is planned. Where something waits and nothing is being planned, ingest is told
 * to look: one message a place, with growing pauses while nothing moves.
 *
 * What is planned of objects that are no longer there is forgotten, so that the planner's state is as large as what is kept.
 */
import type { Piece } from '../batch/plan.ts';
import type { Planner } from '../batch/planner.ts';
import type { PlannedObject } from '../batch/planner-log.ts';
import { s3Path } from '../source/s3-object.ts';
import type { Clock } from '../util/clock.ts';
import { encodeLook } from './deliveries.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { type InputObjects, isPlaceholder, type ListedObject } from './input-objects.ts';
import { isOverwritten, namedBefore, nameOf, placeUrl } from './object-source.ts';
import type { InputPlace } from './settings.ts';

/** Pages of a listing that are read in one go; the next goes on there. */
const PAGES = 20;
/** Objects are given so long to be planned by their notification, ms. */
const FRESH_MS = 60_000;
/** Longest pause between two messages about a place where nothing moves, ms. */
const LONGEST_PAUSE_MS = 60 * 60_000;
/** A plan forgets so many objects, unless fewer are all that a whole listing shows to be gone. */
const FORGET_AT_ONCE = 5000;

/** Names with an etag, as before 0.2: they say nothing of what is there. */
const NAMED_BEFORE = /@[0-9a-f]{32}(?:-\d+)?$/;
/** Behind all that may follow. */
const LAST = '\u{10ffff}';

interface PlaceState {
  /** Keys up to this one are looked through; '' at the beginning. */
  after: string;
  /** The first that waits since the last look from the beginning, as the key before it. */
  waitsAfter: string | undefined;
  /** The last message about this place, and how often it was sent with no plan since. */
  sentMs: number;
  sends: number;
  planned: number;
}

export class LookForInput {
  readonly #env: FunctionEnvironment;
  readonly #planner: Planner;
  readonly #objects: InputObjects;
  readonly #clock: Clock;
  readonly #places = new Map<string, PlaceState>();
  /** Objects that are gone, by source and name, with the version that is planned of them. */
  #gone: { readonly source: string; readonly name: string; readonly version: string }[] = [];

  constructor(env: FunctionEnvironment, planner: Planner, objects: InputObjects) {
    this.#env = env;
    this.#planner = planner;
    this.#objects = objects;
    this.#clock = env.clock;
  }

  /** @param force objects are taken as old, and messages sent without a pause */
  async run(force: boolean): Promise<void> {
    for (const place of this.#env.settings.inputs) await this.#look(place, force);
  }

  /** Notes of objects that are gone, for the next plan: then they are forgotten. */
  async takeGone(): Promise<readonly Piece[]> {
    const pieces: Piece[] = [];
    for (const { source, name, version } of this.#gone.splice(0, FORGET_AT_ONCE)) {
      // It may have come back, and been read, meanwhile.
      if ((await this.#planner.planned(source, name))?.version !== version) continue;
      pieces.push({ source, name, version, from: 0, to: 0, done: false, gone: true });
    }
    return pieces;
  }

  /** Whether enough is gone for a plan of its own. */
  get forgets(): boolean {
    return this.#gone.length >= FORGET_AT_ONCE;
  }

  async #look(place: InputPlace, force: boolean): Promise<void> {
    const url = placeUrl(place);
    const state = this.#places.get(url) ?? { after: '', waitsAfter: undefined, sentMs: 0, sends: 0, planned: 0 };
    this.#places.set(url, state);
    let pages = 0;
    let ended = true;
    for await (const page of this.#objects.list(place.bucket, place.prefix, state.after)) {
      await this.#compare(place, page, state, force);
      if (++pages < PAGES) continue;
      ended = false;
      break;
    }
    if (state.waitsAfter !== undefined) await this.#tell(place, state, force);
    if (!ended) return;
    await this.#findGone(place, state.after, undefined, new Set());
    state.after = '';
    state.waitsAfter = undefined;
  }

  /** Notes of a page what waits, and what was overwritten or is gone. */
  async #compare(place: InputPlace, page: readonly ListedObject[], state: PlaceState, force: boolean): Promise<void> {
    const last = page.at(-1);
    if (last === undefined) return;
    const planned = await this.#findGone(place, state.after, last.key, new Set(page.map(nameOf)));
    for (const object of page) {
      const before = state.after;
      state.after = object.key;
      if (isPlaceholder(object)) continue;
      const known = planned.get(nameOf(object));
      if (known?.done) {
        if (isOverwritten(known, object)) this.#env.report.metric('Overwritten', 1);
        continue;
      }
      if (state.waitsAfter !== undefined) continue;
      if (!force && this.#clock.now() - object.modifiedMs < FRESH_MS) continue;
      if ((await this.#planner.planned(place.source, namedBefore(object)))?.done) continue;
      state.waitsAfter = before;
    }
    state.after = last.key;
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
    const planned = await this.#planner.plannedBetween(source, first, end);
    for (const [name, { version }] of planned) {
      if (!there.has(name) && !NAMED_BEFORE.test(name)) this.#gone.push({ source, name, version });
    }
    return planned;
  }

  /** While plans are made somebody reads; while none is, less and less often. */
  async #tell(place: InputPlace, state: PlaceState, force: boolean): Promise<void> {
    const { queue, settings, report } = this.#env;
    const nowMs = this.#clock.now();
    if (state.planned !== this.#planner.position) {
      state.planned = this.#planner.position;
      state.sends = 0;
    }
    const quietMs = nowMs - (this.#planner.progress?.processingTime ?? 0);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FRESH_MS * 2 ** (state.sends - 1));
    if (!force && (quietMs < FRESH_MS || (state.sends > 0 && nowMs - state.sentMs < pauseMs))) return;
    state.sentMs = nowMs;
    state.sends++;
    await queue(settings.inputQueue).send([{ body: encodeLook(place, state.waitsAfter ?? '') }]);
    report.metric('InputFound', 1);
    report.info('input waits that is not planned: it is looked for', {
      place: placeUrl(place),
      after: state.waitsAfter,
    });
  }
}
