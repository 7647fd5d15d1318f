/**
 * plan/n: what micro-batch n is, fixed before anything of it is committed, so that whoever runs it computes the same. The
 * plans are the planner's log: they form a chain by hash, and the planner's state (which pieces are planned) follows from
 * them.
 *
 * A small segment stands behind the plan in the same object, so that one PUT makes both durable. The plan's bytes and its hash are those of the
 * plan alone; the segment is vouched for by its own hash, which the plan says.
 */
import { CorruptionError } from '../errors.ts';
import type { RowPosition } from '../source/rows.ts';
import { decodeEnvelope, encodeEnvelope, envelopeLength } from '../util/envelope.ts';
import { contentHash } from '../util/hash.ts';
import type { ContentPrefix } from './content-prefix.ts';

/** Of a plan with the segment behind it; others are of version 1. */
const VERSION = 2;

/**
 * Rows [from, to) of a source object. A piece without rows says how far an object is planned: one whose rows were read under
 * another name, or (`to` 0) one whose name now stands for something else.
 */
export interface Piece {
  readonly source: string;
  /** The object's own name and version; ⚑ piece-identity: never of the group it was delivered in. */
  readonly name: string;
  readonly version: string;
  readonly from: number;
  readonly to: number;
  /** Where row `to` begins, where one can go on from there without reading what is before (see `RowPosition`). */
  readonly fromPosition?: RowPosition | undefined;
  readonly toPosition?: RowPosition | undefined;
  /** All rows of the object are planned. */
  readonly done: boolean;
  /** Size and modification time (epoch ms) of the object when it was planned by reference. */
  readonly size?: number | undefined;
  readonly mtimeMs?: number | undefined;
  /** Hash of the whole stored object, when it was read to its end. */
  readonly contentHash?: string | undefined;
  /** The content before row `to`; only of files of the embedded engine, which are recognised by it. */
  readonly prefix?: ContentPrefix | undefined;
  /** The name under which the rows before `from` were read. */
  readonly moved?: string | undefined;
  /** A message, not an object: what is known of it is forgotten after a time (`MESSAGE_MEMORY_MS`). */
  readonly message?: boolean | undefined;
  /** The object is no longer there: what is known of it is forgotten. */
  readonly gone?: boolean | undefined;
}

/** What became of the input rows before they reached a partition. */
export interface PlanCounts {
  /** All rows of the pieces. */
  readonly rows: number;
  /** Rows that the head dropped (`filter`, empty `flatMap`): applied, without trace. */
  readonly dropped: number;
  readonly quarantined: number;
}

export interface Plan {
  readonly n: number;
  /** `empty`: the watermark moved and no data came. `flush`: closes everything. `seal`: the epoch ends here. */
  readonly kind: 'data' | 'empty' | 'flush' | 'seal';
  readonly pieces: readonly Piece[];
  /** Hash of the segment; `null`: no rows, or the pieces are by reference. */
  readonly segment: string | null;
  /** Length of the segment where it stands behind the plan, in the same object. Left out: it is an object of its own. */
  readonly segmentBytes?: number | undefined;
  readonly counts: PlanCounts;
  /**
   * By watermark generator, after this plan: the greatest event time so far, and when it last saw a row (plan time). `null`:
   * it has seen none; then `seenMs` is when the wait for it began.
   */
  readonly inputs: Readonly<Record<string, { readonly maxEventTime: number | null; readonly seenMs: number }>>;
  /** The watermark this batch uses, from the plans before; `null`: none yet. */
  readonly watermark: number | null;
  /** The watermark of the batch before. */
  readonly previousWatermark: number | null;
  /**
   * The greatest time that flushes before this plan have closed: what comes at or before it is late, on every stream. Left
   * out: there was no flush, or it found nothing open.
   */
  readonly closedTo?: number | undefined;
  /**
   * By place of input objects (`s3://bucket/prefix`): the key up to which its listing is planned. Objects with smaller keys that
   * come later are found by their notification, or by a look at the whole listing. Left out: there is no such place.
   */
  readonly listed?: Readonly<Record<string, string>> | undefined;
  /** The planner's clock, epoch ms. */
  readonly processingTime: number;
  readonly headHash: string;
  /** Hash of plan n − 1; '' for n = 1. */
  readonly previousHash: string;
  /** Random id of the attempt that made it: how a retried PUT recognises its own plan. */
  readonly attempt: string;
}

export interface StoredPlan {
  readonly plan: Plan;
  readonly hash: string;
  /** The plan alone: what its object begins with. */
  readonly bytes: Uint8Array;
}

/** What is found in the object of a plan. */
export interface PlanObject {
  readonly stored: StoredPlan;
  /** The segment behind the plan; `undefined`: there is none, or it was not read to its end. */
  readonly segment: Uint8Array | undefined;
}

export function encodePlan(plan: Plan): StoredPlan {
  const followed = plan.segmentBytes !== undefined;
  const bytes = encodeEnvelope('plan', followed ? VERSION : 1, plan, followed);
  return { plan, hash: contentHash(bytes), bytes };
}

/** The object of a plan. @param segment its segment, if that stands behind it */
export function encodePlanObject({ bytes }: StoredPlan, segment: Uint8Array | undefined): Uint8Array {
  return segment === undefined ? bytes : Buffer.concat([bytes, segment]);
}

/** @param bytes of the plan alone @throws {CorruptionError} */
export function decodePlan(bytes: Uint8Array, object: string, n: number): StoredPlan {
  const plan = decodeEnvelope<Plan>('plan', VERSION, bytes, object);
  if (plan.n !== n) throw new CorruptionError(object, `it is plan ${plan.n}`);
  return { plan, hash: contentHash(bytes), bytes };
}

/**
 * @param bytes the object, or its beginning
 * @param size of the whole object
 * @returns `undefined`: the plan does not end in this beginning
 * @throws {CorruptionError} damaged; what a segment holds is verified by who decodes it
 */
export function decodePlanObject(
  bytes: Uint8Array,
  object: string,
  n: number,
  size = bytes.length,
): PlanObject | undefined {
  const end = envelopeLength(bytes) ?? size;
  if (end > bytes.length && bytes.length < size) return undefined;
  const stored = decodePlan(bytes.subarray(0, end), object, n);
  const { segmentBytes = 0 } = stored.plan;
  if (end + segmentBytes !== size) {
    throw new CorruptionError(object, `it has ${size} bytes, and its plan says ${end + segmentBytes}`);
  }
  const isWhole = segmentBytes > 0 && bytes.length === size;
  return { stored, segment: isWhole ? bytes.subarray(end) : undefined };
}

/** The watermarks of a batch, and what flushes before it have closed, as numbers (`-Infinity`: none). */
export function watermarksOf(plan: Pick<Plan, 'kind' | 'watermark' | 'previousWatermark' | 'closedTo'>): {
  late: number;
  evict: number;
  previousEvict: number;
  flushed: number;
} {
  const late = plan.watermark ?? Number.NEGATIVE_INFINITY;
  return {
    late,
    evict: plan.kind === 'flush' ? Number.POSITIVE_INFINITY : late,
    previousEvict: plan.previousWatermark ?? Number.NEGATIVE_INFINITY,
    flushed: plan.closedTo ?? Number.NEGATIVE_INFINITY,
  };
}
