/**
 * The planner's log: the plans. Its state is one row a source object or message: how far it is planned, under which version. So
 * a piece is planned once however often its notification comes, and whichever planner dies when. Messages are forgotten when none
 * can come again.
 */
import type { Expiry } from '../log/expiry.ts';
import type { FoldableEntry, LogRead, PartitionLog } from '../log/partition-log.ts';
import { type Names, PLANNER } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import type { RowPosition } from '../source/rows.ts';
import type { Entry } from '../sst/entry.ts';
import { addressPrefix, type TableKind } from '../state/address.ts';
import { encodeKey } from '../stream/operators/key.ts';
import { packValue, unpackValue } from '../util/pack.ts';
import { decodePlanObject, type Piece, type Plan, type PlanObject, type StoredPlan } from './plan.ts';

/** The planner's tables: planned source objects, and the progress of the job as of the last plan. */
export const PLANNER_TABLES: readonly TableKind[] = ['keyed', 'keyed'];
export const OBJECTS_TABLE = 0;
export const PROGRESS_TABLE = 1;
export const PROGRESS_KEY = encodeKey(null);

/**
 * How long a planned message is known, ms, from the plan that took it: 30 days. A queue of SQS keeps a message for 14 days at most,
 * and its dead-letter queue for 14 more (a FIFO queue counts anew there).
 */
export const MESSAGE_MEMORY_MS = 30 * 86_400_000;

/**
 * Read of a plan's object first: nearly every plan whole, and a small segment behind it, but not a large one, which those who follow the log
 * (the planner, folds) do not need.
 */
const FIRST_BYTES = 64 << 10;

/** What the next plan needs of the plans before. */
export type PlanProgress = Pick<
  Plan,
  'inputs' | 'watermark' | 'closedTo' | 'listed' | 'kind' | 'processingTime' | 'headHash'
>;

/** How far a source object is planned, as the last piece of it says. */
export interface PlannedObject
  extends Pick<Piece, 'version' | 'done' | 'size' | 'mtimeMs' | 'contentHash' | 'prefix' | 'moved'> {
  /** Rows before this are planned. */
  readonly next: number;
  /** Where row `next` begins. */
  readonly position?: RowPosition | undefined;
  /** Of a message: the time of the plan that took it. Left out: an object, or a plan of before 0.2, which stay known. */
  readonly plannedMs?: number | undefined;
}

/** ⚑ piece-identity: an object that two sources read is two. */
export function objectKey(source: string, name: string): string {
  return encodeKey([source, name]);
}

/** Sorts after the keys of all objects of a source: no UTF-8 text has the byte 0xff. */
export function lastObjectKey(source: string): string {
  const ends = 2; // of the name, and of the pair
  return `${objectKey(source, '').slice(0, -ends)}\xff`;
}

/** What a piece says of its object. */
export function plannedObject(piece: Piece): PlannedObject {
  const { version, to, toPosition, done, size, mtimeMs, contentHash, prefix, moved } = piece;
  return { version, next: to, position: toPosition, done, size, mtimeMs, contentHash, prefix, moved };
}

/** The inverse: a piece that has no rows and says how far an object is planned. */
export function pieceWithoutRows(source: string, name: string, planned: PlannedObject): Piece {
  const { version, next, position, done, size, mtimeMs, contentHash, prefix, moved } = planned;
  const rows = { from: next, to: next, toPosition: position };
  return { source, name, version, ...rows, done, size, mtimeMs, contentHash, prefix, moved };
}

/** When a planned message is forgotten, epoch ms; `undefined`: never, it is an object. */
export function forgottenMs({ plannedMs }: PlannedObject): number | undefined {
  return plannedMs === undefined ? undefined : plannedMs + MESSAGE_MEMORY_MS;
}

/** The same, for rows as they are stored. */
export const plannerExpiry: Expiry = (key, value) =>
  key.charCodeAt(0) === OBJECTS_TABLE ? forgottenMs(unpackValue(value) as PlannedObject) : undefined;

export function progressOf({
  inputs,
  watermark,
  closedTo,
  listed,
  kind,
  processingTime,
  headHash,
}: Plan): PlanProgress {
  return {
    inputs,
    watermark,
    ...(closedTo === undefined ? {} : { closedTo }),
    ...(listed === undefined ? {} : { listed }),
    kind,
    processingTime,
    headHash,
  };
}

/** The state row for a piece. Of messages, which are many, only the least is kept. */
function plannedRow(piece: Piece, { processingTime }: Plan): PlannedObject {
  const { version, to, done } = piece;
  return piece.message ? { version, next: to, done, plannedMs: processingTime } : plannedObject(piece);
}

/** The changes of the planner's state that a plan means, sorted. */
export function planChanges(plan: Plan): Entry[] {
  const prefix = addressPrefix(OBJECTS_TABLE, 'keyed', 0);
  const byKey = new Map<string, Piece>();
  for (const piece of plan.pieces) byKey.set(prefix + objectKey(piece.source, piece.name), piece);
  const objects = [...byKey]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, piece]) => ({ key, value: piece.gone ? null : packValue(plannedRow(piece, plan)) }));
  const key = addressPrefix(PROGRESS_TABLE, 'keyed', 0) + PROGRESS_KEY;
  return [...objects, { key, value: packValue(progressOf(plan)) }];
}

/** A plan that was looked for; `stored` is `undefined` where there is none. */
export type PlanRead = (PlanObject | { readonly stored: undefined; readonly segment: undefined }) & {
  readonly dateMs: number;
};

export class PlannerLog implements PartitionLog {
  readonly #store: ObjectStore;
  readonly #names: Names;

  constructor(store: ObjectStore, names: Names) {
    this.#store = store;
    this.#names = names;
  }

  nameOf(n: number): string {
    return this.#names.log(PLANNER, n);
  }

  async readPlan(n: number, options?: RequestOptions): Promise<PlanRead> {
    const name = this.nameOf(n);
    let answer = await this.#store.get(name, { ...options, range: { offset: 0, length: FIRST_BYTES } });
    if (!answer.found) return { stored: undefined, segment: undefined, dateMs: answer.dateMs };
    let found = decodePlanObject(answer.body, name, n, answer.size);
    if (found === undefined) {
      // All of it, and not the rest: the two would be of one object only as long as nobody takes plans back.
      answer = await this.#store.get(name, options);
      if (!answer.found) return { stored: undefined, segment: undefined, dateMs: answer.dateMs };
      found = decodePlanObject(answer.body, name, n)!;
    }
    return { ...found, dateMs: answer.dateMs };
  }

  async read(n: number, options?: RequestOptions): Promise<LogRead> {
    const { stored, dateMs } = await this.readPlan(n, options);
    if (stored === undefined) return { found: false, dateMs };
    return { found: true, entry: foldablePlan(stored), dateMs };
  }
}

function foldablePlan({ plan, hash, bytes }: StoredPlan): FoldableEntry {
  return {
    n: plan.n,
    hash,
    previousHash: plan.previousHash,
    bytes: bytes.length,
    publishedThrough: plan.n,
    timeMs: plan.processingTime,
    counts: { rows: plan.counts.rows, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
    changes: () => planChanges(plan),
    addChangesTo: (columns) => {
      for (const { key, value } of planChanges(plan)) columns.push(key, value);
    },
    outputs: [],
    output: () => new Uint8Array(0),
  };
}
